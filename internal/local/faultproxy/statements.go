package faultproxy

import "strings"

// Statements are the statements of a query, which may be several between
// semicolons.
//
// It knows quotes, and so would be wrong about a comment; and a backslash escapes,
// as it does unless NO_BACKSLASH_ESCAPES is set.
//
// Source: MySQL 9.7 Reference Manual, 11.1.1 "String Literals".
func (m Message) Statements() []string { return split(m.Text) }

func split(text string) []string {
	var statements []string
	begin, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && quote != '`' && c == '\\':
			i++
		case quote != 0:
			// A quote that is written twice ends the literal and begins it again.
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case c == ';':
			statements = append(statements, strings.TrimSpace(text[begin:i]))
			begin = i + 1
		}
	}
	if rest := strings.TrimSpace(text[begin:]); rest != "" {
		statements = append(statements, rest)
	}
	return statements
}

// firstStatements is a query's packet with no more than so many of its statements.
func firstStatements(packet []byte, count int) []byte {
	statements := split(string(packet[headerLength+1:]))
	if count >= len(statements) {
		return packet
	}
	text := strings.Join(statements[:count], "; ")
	length := 1 + len(text)
	shortened := append([]byte{byte(length), byte(length >> 8), byte(length >> 16)}, packet[3:headerLength+1]...)
	return append(shortened, text...)
}

// isError reports whether a packet of the server's is an error, which is the last
// answer to a query.
//
// Source: MySQL Internals, "ERR_Packet".
func isError(packet []byte) bool { return len(packet) > headerLength && packet[headerLength] == 0xff }
