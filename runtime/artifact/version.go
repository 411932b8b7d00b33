package artifact

import "golang.org/x/mod/semver"

// ValidVersion tells whether v is a version as manifests write it: three numbers, and perhaps a pre-release
// (Semantic Versioning 2.0.0). Build metadata has no place in an order, so it is not taken.
func ValidVersion(v string) bool { return len(v) <= 64 && v != "" && semver.Canonical("v"+v) == "v"+v }

// Compare orders two valid versions: negative where v is lower than w, 0 where they are equal. "" is lower than any.
func Compare(v, w string) int { return semver.Compare("v"+v, "v"+w) }
