//go:build race

package strictjson

// The race detector makes sync.Pool drop things at random, so allocations can't be counted under it.
const racing = true
