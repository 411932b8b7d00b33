// Command goguest is a guest with a runtime of its own: it allocates, collects
// garbage, switches goroutines, and prints what it computed.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	words := strings.Fields(strings.Repeat("write to ana@example.com or bob@example.org at once ", 200))
	counts := map[string]int{}
	for _, w := range words {
		counts[w]++
	}
	slices.Sort(words)
	results := make(chan string)
	for i := range 4 {
		go func() { results <- fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Repeat("x", i*1000)))) }()
	}
	var sums []string
	for range 4 {
		sums = append(sums, <-results)
	}
	slices.Sort(sums)
	emails := regexp.MustCompile(`[a-z]+@[a-z.]+`).FindAllString(strings.Join(words, " "), -1)
	defer func() {
		json.NewEncoder(os.Stdout).Encode(map[string]any{"counts": counts, "sums": sums, "emails": len(emails), "panic": fmt.Sprint(recover())})
	}()
	fmt.Println(words[len(words)+len(os.Args)])
}
