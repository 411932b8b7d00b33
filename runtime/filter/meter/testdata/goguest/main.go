// Command goguest is a guest with a runtime of its own: it allocates, collects
// garbage, switches goroutines, recovers from a panic, and prints what it found.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
)

func main() {
	words := strings.Fields(strings.Repeat("write to ana@example.com or bob@example.org at once ", 2000))
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
	defer func() { fmt.Println(counts, sums, recover()) }()
	fmt.Println(words[len(words)+len(os.Args)])
}
