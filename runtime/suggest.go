package runtime

import "strings"

// Suggest returns the candidate that word is most likely a misspelling of, or the only one that word is a prefix of
// (delay, delay_sec), or "". It suggests nothing for a single letter, or between words of two letters.
func Suggest(word string, candidates []string) string {
	best, bestDistance := "", 0
	for _, c := range candidates {
		shorter, longer := min(len(word), len(c)), max(len(word), len(c))
		if shorter < 2 || longer < 3 {
			continue
		}
		limit := max(1, shorter/3)
		d := editDistance(strings.ToLower(word), strings.ToLower(c), limit)
		if d <= limit && (best == "" || d < bestDistance || d == bestDistance && c < best) {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return continued(word, candidates)
	}
	return best
}

// continued returns the only candidate that begins with word and "_", or "".
func continued(word string, candidates []string) string {
	only := ""
	for _, c := range candidates {
		if word == "" || !strings.HasPrefix(c, strings.ToLower(word)+"_") {
			continue
		}
		if only != "" {
			return ""
		}
		only = c
	}
	return only
}

// editDistance returns the number of letters to insert, delete, replace or swap with their neighbour to get from a to
// b. Beyond limit it may return any larger number.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
