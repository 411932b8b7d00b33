// The table of byte classes that the scan runs on, and the kinds.
#include "redact.h"

u8 classes[256] = {
	[0 ... ' '] = C_DELIM,
	['"'] = C_DELIM, ['`'] = C_DELIM, [','] = C_DELIM, [';'] = C_DELIM, ['='] = C_DELIM, ['|'] = C_DELIM,
	['<'] = C_DELIM, ['>'] = C_DELIM, [')'] = C_DELIM, ['['] = C_DELIM, [']'] = C_DELIM, ['{'] = C_DELIM, ['}'] = C_DELIM,
	['('] = C_DELIM | C_HOT,
	['0' ... '9'] = C_DIGIT | C_HOT,
	['A' ... 'Z'] = C_ALPHA,
	['a' ... 'z'] = C_ALPHA,
	['@'] = C_HOT,
	['-'] = C_HOT | C_UNDER | C_LOCAL,
	['+'] = C_HOT | C_LOCAL,
	['_'] = C_UNDER | C_LOCAL,
	['.'] = C_LOCAL, ['%'] = C_LOCAL, ['\''] = C_LOCAL,
};

#define KIND(word) {word, sizeof(word) - 1, 1}
struct kind kinds[BUILTIN + MAX_CUSTOM] = {
	[PRIVATE_KEY] = KIND("private_key"), [JWT] = KIND("jwt"), [SECRET] = KIND("secret"),
	[EMAIL] = KIND("email"), [CARD] = KIND("card"), [IBAN] = KIND("iban"),
	[SSN] = KIND("ssn"), [IP] = KIND("ip"), [PHONE] = KIND("phone"),
};
u32 kinds_len = BUILTIN;
