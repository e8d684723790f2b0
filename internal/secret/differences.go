package secret

import "slices"

// Differences lists, quoted and sorted, the keys in which two documents differ, the
// username and the password aside. It is empty where only white space, the order of
// the keys or the spelling of a key does. It tells no value.
func (d Document) Differences(other Document) []string {
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
	for i, key := range keys {
		keys[i] = quoteKey(key)
	}
	return keys
}
