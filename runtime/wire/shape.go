package wire

// Nature is what a kind of string in a body is to filters.
type Nature string

// The natures. Text, Arguments and Key are shown to text filters.
const (
	Text      Nature = "text"
	Arguments Nature = "arguments" // JSON text: the arguments of a tool call
	Key       Nature = "key"       // a key of an object; of an answer, one that does not look like an identifier
	Opaque    Nature = "opaque"    // content that no text filter can read
	Copied    Nature = "copied"    // the text once more in another form; taken out where the text is changed
	Ident     Nature = "ident"     // not text while it looks like an identifier, else text
	Word      Nature = "word"      // not text while it is a word of a closed list, else text
	Own       Nature = "own"       // read by the gateway, or said by the model server of itself: not text
	Banned    Nature = "banned"    // refused, whatever filters there are, unless the decision allows it
)

// Shape is one kind of string in the bodies of an operation, as the tables have it by which bodies are read.
type Shape struct {
	Operation Operation
	Answer    bool // of answers; else of requests
	Streams   bool // of answers: they are streamed, too
	Name      string
	Nature    Nature
	// Places are paths: names of members joined by dots, [] for the elements of an array, * for all that no table names.
	Places []string
}
