package secret

import (
	"slices"

	"tandem/internal/redact"
)

// Differences lists, quoted and sorted, the keys in which two documents differ, the
// username and the password aside. It is empty where only white space, the order of
// the keys or the spelling of a key does. It tells no value, and no key that has a password
// of the two or one of passwords in it.
func (d Document) Differences(other Document, passwords ...redact.Secret) []string {
	mine, err := readObject(d.raw.Reveal())
	theirs, otherErr := readObject(other.raw.Reveal())
	if err != nil || otherErr != nil {
		return nil // they have been read before
	}
	var keys []string
	for key := range mine.members {
		if mine.token(key) != theirs.token(key) {
			keys = append(keys, key)
		}
	}
	for key := range theirs.members {
		if !mine.has(key) {
			keys = append(keys, key)
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == keyUsername || key == keyPassword })
	slices.Sort(keys)
	var hidden copies
	for _, password := range append(passwords, d.password, other.password) {
		hidden = append(hidden, password.Reveal())
	}
	for i, key := range keys {
		keys[i] = hidden.quoteKey(key)
	}
	return keys
}
