// Findings: what becomes of them is their list's to say. Each list has a count, and the text a score.
#include "guard.h"

struct list lists[MAX_LISTS];
u32 lists_len, reject_at;
struct scan scan;

static void label(const char *key, u32 key_len, u32 value) {
	char digits[3];
	u32 n = 0;
	if (value > 99) digits[n++] = (char)('0' + value / 100);
	if (value > 9) digits[n++] = (char)('0' + value / 10 % 10);
	digits[n++] = (char)('0' + value % 10);
	sluice_label(key, key_len, digits, n);
}

void tell_labels(void) {
	for (u32 l = 0; l < lists_len; l++)
		if (scan.changed >> l & 1) label(lists[l].name, lists[l].name_len, scan.counts >> 2 * l & 3);
	if (scan.changed || text.final) label("score", 5, scan.score);
}

static void verdict(const char *code, u32 code_len, const char *message, u32 message_len) {
	scan.over = 1;
	sluice_reject(code, code_len, message, message_len);
}

// redact reports the part of the span that no earlier one covers.
static void redact(const struct list *l, u32 start, u32 end) {
	char kind[32] = "guard_";
	for (u32 i = 0; i < l->name_len; i++) kind[6 + i] = l->name[i];
	if (start < scan.span_end) start = scan.span_end;
	if (start < end) sluice_redact(start, end, kind, 6 + l->name_len);
	scan.span_end = end, scan.redact = 1;
}

void finding(u32 list, u32 weight, u32 start, u32 end) {
	const struct list *l = &lists[list];
	if (scan.over || scan.at <= scan.told || !(scan.active >> list & 1)) return;
	u32 before = scan.counts >> 2 * list & 3;
	if (before < 3) scan.counts += 1u << 2 * list;
	if (before < 2) scan.score += ((100 - scan.score) * weight + 99) / 100;
	scan.changed |= 1u << list;
	if (l->action == REDACT) redact(l, start, end);
	if (l->action == REJECT) verdict(l->code, l->code_len, l->message, l->message_len);
	else if (reject_at && scan.score >= reject_at) verdict(SLUICE_TEXT("guard_score"), SLUICE_TEXT("it looks too much like an attack"));
}
