// What a character outside ASCII is read as, one for each code point of a range: the letter or digit that Unicode's NFKD
// decomposition begins with (which takes diacritics away), or that it looks like (the Latin look-alikes of Greek, Cyrillic and
// phonetic letters). '.': a letter of its own; ' ': no letter; '^': a mark, left out.
#ifndef GUARD_FOLD_H
#define GUARD_FOLD_H

static const char fold_a0[] = // Latin
	"          a       23 .   1o 113 aaaaaa.ceeeeiiiidnooooo ouuuuyp."
	"aaaaaa.ceeeeiiiidnooooo ouuuuypyaaaaaaccccccccddddeeeeeeeeeegggg"
	"gggghhhhiiiiiiiiiiiijjkk.llllllllllnnnnnn.nnoooooo..rrrrrrssssss"
	"ssttttttuuuuuuuuuuuuwwyyyzzzzzzsbb.....c..d...e..ffg...ikkl..n.o"
	"oo..pp.....ttttuu..yyzz.............dddlllnnnaaiioouuuuuuuuuu.aa"
	"aa...gggkkoooo..jdddgg..nnaa..ooaaaaeeeeiiiioooorrrruuuusstt..hh"
	"......aaeeooooooooyy...................e.j...r.y";

static const char fold_250[] = // phonetic letters, modifiers
	"aa.bc..d...e.....gg...h.iii......mnnno.......r..r.s.....tu.v...y"
	"z........b..h..l................hhjr...wy.......";

static const char fold_370[] = // Greek
	"..... ..  .... .      a ehi o y.iab..ezh.ik.mn.o.p .ty.x..iyaeni"
	"uaby.e.n.ik..v.o.p..tu.x.wiuouw.b.yyy..........................."
	"kpcj.e ..c.....j";

static const char fold_400[] = // Cyrillic
	"ee.r.siij...k.y.a.br.e....k.mhonpcty.x......b...a.br.e....k.mhon"
	"pcty.x......b...ee.r.siij...k.y................................."
	".. ^^^^^^^........ff......................................hh...."
	"................aaaa..ee..............oo......yyyyyy............"
	"dd..........gg............qqww..................";

static const char fold_1d00[] = // small capitals, modifiers
	"a..bcd.e..jklmno........p..tu...vwz.........a.b.deeghijklmn.o.pr"
	"tuwaaa.bde.e.g.kmnoc..ptu..v.by..xiruvbyp.x.............h......."
	"............................c.d.f.g.iii....lm.nnno.s.tu.uv.zz...";

static const char fold_1e00[] = // Latin additional
	"aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm"
	"mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv"
	"wwwwwwwwwwxxxxyyzzzzzzhtwyas....aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
	"eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy......";

static const char fold_2070[] = // superscripts, subscripts
	"0i  456789     n0123456789      aeox.hklmnpst   ";

static const char fold_2100[] = // letter-like symbols, number forms
	"aac  cc.  ghhhhhiill nn  pqrrr  stt z . z kabc eef.mo....i f.y.."
	"     ddeij    . 1111212341513571iiiivvvvixxxlcdmiiiivvvvixxxlcdm"
	".........0      ";

static const char fold_2460[] = // enclosed letters and digits
	"12345678911111111112....................12345678911111111112    "
	"                      abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"
	"qrstuvwxyz0.....................";

static const struct {
	u32 from, n;
	const char *to;
} folds[] = {
	{0xa0, 432, fold_a0},
	{0x250, 112, fold_250},
	{0x370, 144, fold_370},
	{0x400, 304, fold_400},
	{0x1d00, 192, fold_1d00},
	{0x1e00, 256, fold_1e00},
	{0x2070, 48, fold_2070},
	{0x2100, 144, fold_2100},
	{0x2460, 160, fold_2460},
};

#endif
