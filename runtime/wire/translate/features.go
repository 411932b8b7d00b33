package translate

// feature is something of a request that not every format can say. A format's set of them is what its writer writes; its
// reader refuses, with the field's path, what the other format's set lacks.
type feature uint32

// The features.
const (
	imageURLs   feature = 1 << iota // images by address
	imageDetail                     // how closely to look
	files                           // files in the request
	fileURLs                        // files by address
	names                           // names of a message's author
	reasons                         // earlier reasoning, unsigned
	signed                          // earlier reasoning with its signature
	richResults                     // images in results of tools
	prefill                         // a last message that the answer continues
	stops                           // stop sequences
	topKs                           // top_k
	penalties                       // frequency and presence
	seeds                           // seed
	hot                             // a temperature over 1
	objects                         // any JSON object as the answer
	described                       // the description of a response format
	subset                          // some of the tools allowed
	strictness                      // strict tools
	metadatas                       // a map of metadata
	users                           // the id of the end user
	verbosities                     // verbosity
	cacheKeys                       // the key of the prompt cache
	tiers                           // service tiers beside auto and default
	effortOff                       // not to think at all
	serial                          // one tool call at a time
	thinking                        // how much to think
	schemas                         // an answer by a JSON Schema
	uncalled                        // tools that are not to be called
	standard                        // the default service tier
	empties                         // messages without content
	anyFiles                        // files that are no PDF
	choices                         // that a tool is to be called, or one by name
)

// can tells whether all of f can be said.
func (c *conversation) can(f feature) bool { return c.says&f == f }
