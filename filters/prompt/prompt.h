// prompt.h: what the configuration says, in static memory: rules of messages and parameters.
#ifndef PROMPT_H
#define PROMPT_H

#include "sluice.h"

#define MAX_RULES 17     // the settings on top are the first rule, and 16 of "rules"
#define MAX_MESSAGES 32
#define MAX_PIECES 256   // of templates: runs of text and variables
#define MAX_PARAMS 32    // different names
#define MAX_VALUES 128   // of "set", "defaults" and "caps", all rules together
#define MAX_WORDS 64     // of "when"
#define MAX_NAME 64      // bytes of a parameter's name, as the host takes them
#define POOL 49152       // bytes of all texts and values
#define MAX_MESSAGE 32768 // bytes of one message, variables filled in
#define MAX_FACT 4096    // bytes of a fact's value

// Facts that templates and conditions can use.
enum { TENANT, ROLES, OPERATION, MODEL, STREAM, FACTS };
extern const char *const fact_names[FACTS];
extern u32 facts_used; // a bit for each

struct span {
	u32 at, len;
};

extern struct prompt {
	u8 pool[POOL];
	u32 pool_len;
	struct {
		struct span text;
		i32 fact; // -1: the text
	} pieces[MAX_PIECES];
	u32 pieces_len;
	struct {
		u8 rule, where, role;
		u16 from, to; // pieces
	} messages[MAX_MESSAGES];
	u32 messages_len;
	struct {
		struct span name;
	} params[MAX_PARAMS];
	u32 params_len;
	struct {
		u8 rule, kind, param;
		struct span json;
		double number; // of a cap
	} values[MAX_VALUES];
	u32 values_len;
	struct {
		u8 rule, fact, prefix;
		struct span word;
	} words[MAX_WORDS];
	u32 words_len;
	u32 rules_len;
} prompt;

enum { SET, DEFAULT, CAP };

// number.c: the value of a JSON number; 0 where it is none.
int number(const u8 *s, u32 n, double *value);

// template.c: cuts a text into pieces. The result is what is wrong, or 0.
const char *template_add(const u8 *s, u32 n);

// request.c: a request's parameters, by the names of the configuration.
struct found {
	u32 at, len; // the value in the request; len 0: absent or null
};
void request_read(const u8 *json, u32 n, struct found *found);

u32 length(const char *s);
int keep(const u8 *s, u32 n, struct span *to); // copies into the pool; 0: it is full

#endif
