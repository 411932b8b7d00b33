// Addresses of crypto currencies: Bitcoin's base58check (version bytes 0 and 5, the first four bytes of a double SHA-256,
// FIPS 180-4) and bech32 (BIP 173, BIP 350); Ethereum's by shape (0x and 40 hex digits).
#include "redact.h"

static u32 rotate(u32 x, u32 n) { return x >> n | x << (32 - n); }

static const u32 rounds[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
	0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
	0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// sha256 digests a message of at most 55 bytes: one block.
static void sha256(const u8 *message, u32 len, u8 *digest) {
	static const u32 start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	u32 w[64], h[8];
	for (u32 i = 0; i < 16; i++) w[i] = 0;
	for (u32 i = 0; i < len; i++) w[i / 4] |= (u32)message[i] << (24 - i % 4 * 8);
	w[len / 4] |= 0x80u << (24 - len % 4 * 8);
	w[15] = len * 8;
	for (u32 i = 16; i < 64; i++) {
		u32 a = w[i - 15], b = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	for (u32 i = 0; i < 8; i++) h[i] = start[i];
	for (u32 i = 0; i < 64; i++) {
		u32 e = h[4], a = h[0];
		u32 t = h[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & h[5]) ^ (~e & h[6])) + rounds[i] + w[i];
		u32 u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & h[1]) ^ (a & h[2]) ^ (h[1] & h[2]));
		for (u32 k = 7; k; k--) h[k] = h[k - 1];
		h[4] += t, h[0] = t + u;
	}
	for (u32 i = 0; i < 32; i++) digest[i] = (u8)((h[i / 4] + start[i / 4]) >> (24 - i % 4 * 8));
}

// base58 is the value of a character in Bitcoin's alphabet, 58 for others: no 0, I, O, l.
static u32 base58(u32 c) {
	if (c - '1' < 9) return c - '1';
	if (c - 'A' < 26) return c == 'I' || c == 'O' ? 58 : c - 'A' + 9 - (c > 'I') - (c > 'O');
	if (c - 'a' < 26) return c == 'l' ? 58 : c - 'a' + 33 - (c > 'l');
	return 58;
}

static void find_base58(u32 t) {
	u8 n[25] = {0}, digest[32];
	u32 len = 0, carry;
	while (len < 36 && base58(at(t + len)) < 58) len++;
	if (len < 26 || len > 35 || word_byte(at(t + len))) return;
	for (u32 i = 0; i < len; i++) {
		carry = base58(at(t + i));
		for (u32 k = 25; k--;) carry += n[k] * 58u, n[k] = (u8)carry, carry >>= 8;
		if (carry) return;
	}
	if (n[0] != (at(t) == '1' ? 0 : 5)) return;
	sha256(n, 21, digest);
	sha256(digest, 32, digest);
	for (u32 i = 0; i < 4; i++)
		if (digest[i] != n[21 + i]) return;
	offer(CRYPTO, t + len, 0);
}

static u32 polymod(u32 sum, u32 v) {
	static const u32 generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	u32 top = sum >> 25;
	sum = (sum & 0x1ffffff) << 5 ^ v;
	for (u32 i = 0; i < 5; i++)
		if (top >> i & 1) sum ^= generator[i];
	return sum;
}

static u32 bech32(u32 c) {
	static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	u32 v = 0;
	while (v < 32 && (u8)alphabet[v] != c) v++;
	return v;
}

static void find_bech32(u32 t) {
	u32 sum = 1, i = t + 3, upper = at(t) == 'B';
	if (at(t + 1) != (upper ? 'C' : 'c') || at(t + 2) != '1') return;
	sum = polymod(polymod(sum, 'b' >> 5), 'c' >> 5);
	sum = polymod(polymod(polymod(sum, 0), 'b' & 31), 'c' & 31);
	for (; i < t + 90; i++) {
		u32 c = at(i), v = bech32(upper ? lower(c) : c);
		if (v == 32 || (upper && c - 'a' < 26)) break;
		sum = polymod(sum, v);
	}
	if (i - t >= 14 && i < t + 90 && !word_byte(at(i)) && (sum == 1 || sum == 0x2bc830a3)) offer(CRYPTO, i, 0);
}

static void find_ethereum(u32 t) {
	u32 i = t + 2;
	while (i < t + 43 && (digit_at(i) || (at(i) | 32) - 'a' < 6)) i++;
	if (i == t + 42 && !word_byte(at(i))) offer(CRYPTO, i, 0);
}

void find_crypto(u32 t) {
	u32 c = at(t);
	if (c == '1' || c == '3') find_base58(t);
	else if (c == '0' && at(t + 1) == 'x') find_ethereum(t);
	else if (c == 'b' || c == 'B') find_bech32(t);
}
