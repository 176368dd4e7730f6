package read

import "strings"

// Nearest returns the most similar name, or "". Case, dashes and underscores are ignored; about one letter in three
// may differ.
func Nearest(word string, names []string) string {
	best, least := "", max(1, len(Normal(word))/3)+1
	for _, name := range names {
		if d := distance(Normal(word), Normal(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the Damerau-Levenshtein distance.
func distance(a, b string) int {
	const far = 1 << 10
	if len(a) > far || len(b) > far {
		return far
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// Meant is the fix for an invalid name.
func Meant(word string, names []string) string {
	const most = 12
	switch best := Nearest(word, names); {
	case best != "":
		return "did you mean " + Quote(best) + "?"
	case len(names) == 0:
		return "take it out"
	case len(names) > most:
		return "take it out, or see the reference for the names there are"
	}
	return "write one of " + strings.Join(names, ", ")
}

func Quote(s string) string { return `"` + s + `"` }
