package rotation

import (
	"fmt"
)

// listed is how many things a message names before it counts the rest.
const listed = 20

func capped(list []string) []string {
	if len(list) <= listed {
		return list
	}
	return append(list[:listed:listed], fmt.Sprintf("and %d more", len(list)-listed))
}

// longestStatement is what a line shows of a statement, in characters. A table
// may have a thousand columns with a privilege on each.
const longestStatement = 400

func shortened(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		if runes := []rune(text); len(runes) > longestStatement {
			text = string(runes[:longestStatement]) + "…"
		}
		out[i] = text
	}
	return out
}
