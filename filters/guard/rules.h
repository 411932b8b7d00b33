// The built-in lists and their rules, as data. A rule is a phrase or a pattern in the notation of the configuration (README.md)
// with a weight: by how much of what is left to 100 it raises the score.
//
// SAME(gap): the words in this order, with at most so many other words between them; ANY(gap): in any order. PATTERN: character
// by character. Fillers ("the", "to", "you", ...) and endings ("-ing", "-ed", "-s") do not count.
#ifndef GUARD_RULES_H
#define GUARD_RULES_H

enum { INJECTION = 1, HARM = 2 };
enum { OVERRIDE, LEAK, JAILBREAK, MARKUP, HIDDEN, WEAPONS, MALWARE, DRUGS, SELFHARM, BUILTIN_LISTS };

#define CALLERS (1 << SLUICE_ROLE_USER | 1 << SLUICE_ROLE_ASSISTANT | 1 << SLUICE_ROLE_TOOL | 1 << SLUICE_ROLE_OTHER)
#define EVERYBODY 63

static const struct {
	const char *name;
	u8 group, on, roles;
} builtin_lists[BUILTIN_LISTS] = {
	[OVERRIDE] = {"override", INJECTION, ON_REQUEST, CALLERS},
	[LEAK] = {"leak", INJECTION, ON_REQUEST, CALLERS},
	[JAILBREAK] = {"jailbreak", INJECTION, ON_REQUEST, CALLERS},
	[MARKUP] = {"markup", INJECTION, ON_REQUEST, CALLERS},
	[HIDDEN] = {"hidden", INJECTION, ON_REQUEST, EVERYBODY},
	[WEAPONS] = {"weapons", HARM, ON_REQUEST | ON_ANSWER, CALLERS},
	[MALWARE] = {"malware", HARM, ON_REQUEST | ON_ANSWER, CALLERS},
	[DRUGS] = {"drugs", HARM, ON_REQUEST | ON_ANSWER, CALLERS},
	[SELFHARM] = {"selfharm", HARM, ON_REQUEST | ON_ANSWER, CALLERS},
};

#define HIDDEN_WEIGHT 60 // eight invisible characters in a row

#define PATTERN 255
#define SAME(gap) (gap)
#define ANY(gap) (16 + (gap))

// Choices of words that many rules share; a rule names them by a byte.
#define IGNORE "\1"
#define EARLIER "\2"
#define ORDERS "\3"
#define SECRET "\4"
#define ASK_HOW "\5"
#define BUILD "\6"
static const char *const rule_sets[RULE_SETS] = {
	"ignore|disregard|forget|overlook|bypass|override|neglect|discard|dismiss|abandon|violate|ditch",
	"previous|prior|above|earlier|preceding|former|foregoing|initial|original|existing|past|all|every|system",
	"instruction|direction|prompt|rule|guideline|command|directive|constraint|restriction|programming|policy",
	"system|initial|hidden|secret|original|internal|developer|confidential|starting|underlying",
	"how|instruction|step|guide|recipe|tutorial|teach|explain|show|tell|blueprint|want|need|help|way|learn",
	"build|make|construct|assemble|create|manufacture|produce|prepare|synthesize|craft|detonate|rig|cook",
};

static const struct {
	u8 list, weight, how;
	const char *text;
} rules[] = {
	// Ignore what you were told.
	{OVERRIDE, 75, SAME(2), IGNORE " " EARLIER " " ORDERS},
	{OVERRIDE, 70, SAME(1), IGNORE " your " ORDERS},
	{OVERRIDE, 70, SAME(1), IGNORE " everything|anything|what above|before|earlier|previous|prior|told|said|instructed|learned"},
	{OVERRIDE, 70, SAME(2), "not|dont|stop|never|quit follow|obey|heed|adhere previous|prior|above|earlier|original|your " ORDERS},
	{OVERRIDE, 65, SAME(2), ORDERS " no|not longer|anymore apply|valid|bind|matter|count"},
	{OVERRIDE, 65, SAME(1), "instruction|rule|order|message override|supersede|overrule all|any|everything|previous|prior|other|earlier"},
	{OVERRIDE, 60, PATTERN, "new instructions:"},
	{OVERRIDE, 60, SAME(0), "your new instruction"},
	{OVERRIDE, 60, SAME(1), "your new|real|true|actual task|objective|goal|purpose|directive|mission is|now|instead"},
	{OVERRIDE, 60, SAME(1), "disable|remove|circumvent|deactivate|suspend your safety|content|security|ethical|moral|filter|guardrail|restriction"},
	{OVERRIDE, 50, SAME(2), "your developer|creator|administrator|admin|owner|programmer order|command|instruct|authorize|permit|grant"},

	// Say what you were told.
	{LEAK, 65, SAME(3), "reveal|leak|expose|dump|disclose|recite|repeat|divulge " SECRET " prompt|instruction|directive|preamble"},
	{LEAK, 65, SAME(2), "show|tell|give|print|output|share|display|write|send|list|say|paste|quote|summarize|translate your " SECRET " prompt|instruction|message|guideline|directive|rule|preamble"},
	{LEAK, 60, SAME(2), "what|whats your " SECRET "|exact|full prompt|instruction|message|guideline|directive|rule"},
	{LEAK, 60, ANY(2), "verbatim your|system prompt|instruction"},
	{LEAK, 55, SAME(2), "repeat|output|recite|print everything|all|text|words|sentences above|before|previous"},
	{LEAK, 50, SAME(1), "reveal|leak|disclose|dump|expose your prompt|instruction|guideline|rule|configuration"},
	{LEAK, 50, SAME(2), "beginning|start conversation|prompt|session repeat|print|output|verbatim|reveal"},

	// Play somebody who has no rules.
	{JAILBREAK, 70, PATTERN, "do anything now"},
	{JAILBREAK, 60, PATTERN, "you are dan"},
	{JAILBREAK, 60, PATTERN, "you are now dan"},
	{JAILBREAK, 60, SAME(0), "act|pretend|behave|roleplay|speak dan"},
	{JAILBREAK, 60, PATTERN, "you are in developer mode"},
	{JAILBREAK, 60, PATTERN, "you are now in developer mode"},
	{JAILBREAK, 60, ANY(2), "gpt|chatgpt|assistant|ai|llm|chatbot|claude|gemini|dan developer|dev|debug|god|sudo|admin|unrestricted mode"},
	{JAILBREAK, 55, ANY(1), "developer mode output|policy|response|simulate"},
	{JAILBREAK, 55, ANY(1), "dan|jailbreak|unrestricted|unfiltered|uncensored mode|persona"},
	{JAILBREAK, 60, SAME(3), "act|pretend|behave|roleplay|imagine|simulate|respond|answer|speak|reply|operate no|without|free|zero|ignore restriction|limitation|filter|guideline|rule|censorship|ethic|ethical|moral|morality|policy|constraint"},
	{JAILBREAK, 50, SAME(0), "unrestricted|unfiltered|uncensored|amoral|unethical|evil|jailbroken|rogue ai|assistant|chatbot|bot|llm|gpt|chatgpt"},
	{JAILBREAK, 50, SAME(1), "you|have|bound no|without ethical|moral|content|safety guideline|restriction|filter|limitation|boundary|rule"},
	{JAILBREAK, 50, ANY(1), "jailbreak|jailbroken prompt|mode|response|chatgpt|gpt|llm|model|ai|yourself"},
	{JAILBREAK, 50, SAME(3), "hypothetical|fictional|imaginary|alternate|parallel world|scenario|universe|reality no|without|where rule|law|restriction|ethic|limit"},
	{JAILBREAK, 60, ANY(6), "grandmother|grandma|granny|nana napalm|bomb|explosive|malware|keygen|meth"},
	{JAILBREAK, 45, SAME(2), "never|not|cannot|dont|wont refuse|decline|reject request|answer|question|prompt|order"},
	{JAILBREAK, 50, SAME(2), "start|begin|open your response|answer|reply|message sure|absolutely|certainly|course"},
	{JAILBREAK, 35, SAME(0), "stay|remain character"},
	{JAILBREAK, 55, ANY(3), "base64|rot13|hex|morse|cipher|leetspeak bypass|evade|avoid|circumvent filter|detection|moderation|censorship|safety"},
	{JAILBREAK, 55, SAME(3), "decode|decrypt|unscramble|deobfuscate|decipher follow|execute|obey|perform|run|comply"},
	{JAILBREAK, 45, SAME(1), "decode|decrypt|unscramble|decipher base64|rot13|hex|morse|cipher answer|respond|do"},

	// Pretend to be the frame around the text.
	{MARKUP, 70, PATTERN, "<\\|im_start\\|>"},
	{MARKUP, 70, PATTERN, "<\\|im_end\\|>"},
	{MARKUP, 70, PATTERN, "<\\|system\\|>"},
	{MARKUP, 60, PATTERN, "<\\|user\\|>"},
	{MARKUP, 60, PATTERN, "<\\|assistant\\|>"},
	{MARKUP, 60, PATTERN, "<\\|endoftext\\|>"},
	{MARKUP, 70, PATTERN, "<\\|eot_id\\|>"},
	{MARKUP, 70, PATTERN, "<\\|start_header_id\\|>"},
	{MARKUP, 70, PATTERN, "<\\|begin_of_text\\|>"},
	{MARKUP, 60, PATTERN, "<start_of_turn>"},
	{MARKUP, 60, PATTERN, "\\[inst\\]"},
	{MARKUP, 60, PATTERN, "\\[/inst\\]"},
	{MARKUP, 70, PATTERN, "<<sys>>"},
	{MARKUP, 60, PATTERN, "<system>"},
	{MARKUP, 60, PATTERN, "</system>"},
	{MARKUP, 60, PATTERN, "\\[system\\]"},
	{MARKUP, 60, PATTERN, "\\[system message\\]"},
	{MARKUP, 60, PATTERN, "#system message"},
	{MARKUP, 50, PATTERN, "### system"},
	{MARKUP, 40, PATTERN, "### instruction"},
	{MARKUP, 40, PATTERN, "^system:"},
	{MARKUP, 55, PATTERN, "^system prompt:"},
	{MARKUP, 55, PATTERN, "^system message:"},
	{MARKUP, 55, SAME(0), "end|begin|start system prompt|message"},

	// Harm. Ways to ask for it; not the subject itself.
	{WEAPONS, 80, ANY(1), ASK_HOW " " BUILD " bomb|explosive|grenade|ied|napalm|tnt|molotov|detonator|semtex|thermite|warhead|landmine"},
	{WEAPONS, 80, ANY(1), ASK_HOW " " BUILD " sarin|vx|ricin|anthrax|novichok|phosgene|tabun|botulinum"},
	{WEAPONS, 75, ANY(2), ASK_HOW " " BUILD " nerve|mustard|chlorine|poison gas|agent"},
	{WEAPONS, 60, ANY(2), ASK_HOW " " BUILD "|print untraceable|illegal|ghost|homemade|unregistered gun|firearm|pistol|rifle|silencer"},
	{MALWARE, 70, SAME(1), "write|create|make|build|code|develop|generate|give|program ransomware|keylogger|malware|trojan|rootkit|botnet|spyware|infostealer"},
	{MALWARE, 65, SAME(1), "how|help|teach|want|way hack|break|get|crack into someone|somebody|girlfriend|boyfriend|neighbor|neighbour|ex|wife|husband|coworker"},
	{MALWARE, 65, SAME(2), "how|help|teach|want|way steal|phish credit|bank|someone|somebody|people|customer card|password|credential|account|identity"},
	{DRUGS, 75, ANY(1), ASK_HOW " make|cook|synthesize|manufacture|produce|extract|brew meth|methamphetamine|mdma|lsd|heroin|fentanyl|dmt|amphetamine|ecstasy"},
	{SELFHARM, 75, SAME(0), "how|way|method|best|painless|painlessly|quickly|quietly|easiest|want|going|plan kill|hurt|harm|end|hang myself"},
	{SELFHARM, 75, SAME(1), "how|way|method|painless|want|going|plan|easiest commit suicide"},
	{SELFHARM, 70, SAME(0), "want|going|plan|best end my life"},
};

// Pairs of words that make neither of them count.
static const char *const rule_exceptions[] = {
	"bath|cherry|photo|seed|fat|cocoa|chocolate|tea|glitter|smoke|sugar|yarn|truth|love|f|carpet bomb",
	"bomb shelter|cyclone|calorimeter|disposal|squad|detector|detection|threat|jacket|pop|proof|victim|survivor",
	"logic|zip|fork|time|mail|email bomb",
	"explosive start|performance|growth|ordnance|detection|disposal|strength",
	"malware|ransomware|spyware|rootkit|botnet|trojan analysis|detection|detector|protection|scanner|removal|report|defense|awareness|policy|prevention|sample|horse",
	"anti malware|spyware|ransomware",
	"life insurance|story",
};

#endif
