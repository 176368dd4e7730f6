package redaction

import (
	"bytes"
	"strings"

	"github.com/sluiceio/sluice/internal/prefilter"
)

// A rule finds one kind of secret or personal data in texts.
type rule struct {
	name string
	hint string // an expression that matches each text in which the rule may find something
	// next returns where the first find from a place on is.
	next func(text []byte, from int) (span, bool)

	may *prefilter.Pattern // the hint
}

var rules = []rule{
	{name: "email", hint: `@`, next: email},
	{name: "credit_card", hint: `[0-9 -]{12}`, next: creditCard},
	{name: "iban", hint: `[A-Z]{2}[0-9]{2}`, next: iban},
	{name: "jwt", hint: `eyJ`, next: jwt},
	{name: "bearer", hint: `(?i)bearer`, next: bearer},
	{name: "aws_key", hint: `A[A-Z0-9]{19}|(?i:cret[_ -]?acce)`, next: awsKey},
	{name: "private_key", hint: `-----BEGIN `, next: privateKey},
}

func ruleNamed(name string) *rule {
	for i := range rules {
		if rules[i].name == name {
			return &rules[i]
		}
	}
	return nil
}

func ruleNames() (names []string) {
	for i := range rules {
		names = append(names, rules[i].name)
	}
	return names
}

func digit(b byte) bool { return b >= '0' && b <= '9' }
func upper(b byte) bool { return b >= 'A' && b <= 'Z' }
func alnum(b byte) bool { return digit(b) || upper(b&^0x20) }

// base64 is true for the characters of base64, also as in URLs, without the padding.
func base64(b byte) bool  { return alnum(b) || b == '+' || b == '/' || b == '-' || b == '_' }
func urlSafe(b byte) bool { return alnum(b) || b == '-' || b == '_' }
func token(b byte) bool   { return base64(b) || b == '.' || b == '~' }

// runEnd is where the bytes from a place on that are of a kind end.
func runEnd(text []byte, at int, is func(byte) bool) int {
	for at < len(text) && is(text[at]) {
		at++
	}
	return at
}

// apart says that a place is no part of a longer word.
func apart(text []byte, from, to int) bool {
	return (from == 0 || !alnum(text[from-1])) && (to == len(text) || !alnum(text[to]))
}

// jwt finds a JSON web token: a header, which is JSON in base64, and at least a payload, or the parts of an encrypted one.
func jwt(text []byte, from int) (span, bool) {
	for at := from; ; {
		i := bytes.Index(text[at:], []byte("eyJ"))
		if i < 0 {
			return span{}, false
		}
		start := at + i
		end := runEnd(text, start, urlSafe)
		at = end // a start later in the same run has the same to follow
		if end-start < 10 || end == len(text) || text[end] != '.' {
			continue
		}
		parts, payload := 1, bytes.HasPrefix(text[end+1:], []byte("eyJ"))
		for parts < 5 && end < len(text) && text[end] == '.' {
			next := runEnd(text, end+1, urlSafe)
			if next == end+1 && parts >= 3 {
				break // the end of a sentence
			}
			end = next
			parts++
		}
		if payload || parts >= 3 && end > at+8 {
			return span{start, end}, true
		}
	}
}

// bearer finds the token behind the word; shorter ones may be words, too.
func bearer(text []byte, from int) (span, bool) {
	const word = "bearer"
	for at := from; at+len(word) < len(text); at++ {
		if text[at]|0x20 != 'b' || !bytes.EqualFold(text[at:at+len(word)], []byte(word)) || at > 0 && alnum(text[at-1]) {
			continue
		}
		start := at + len(word)
		for start < len(text) && start < at+len(word)+5 && strings.IndexByte(" :=\"'\t\\", text[start]) >= 0 {
			start++
		}
		end := runEnd(text, start, token)
		n := end - start
		if start == at+len(word) || n < 8 || n < 16 && !bytes.ContainsAny(text[start:end], "0123456789") {
			continue
		}
		for end < len(text) && text[end] == '=' {
			end++
		}
		return span{start, end}, true
	}
	return span{}, false
}

// awsKeyIDs are the beginnings of ids of AWS' keys, of 20 characters.
var awsKeyIDs = []string{"AKIA", "ASIA", "ABIA", "ACCA", "AGPA", "AIDA", "AIPA", "ANPA", "ANVA", "APKA", "AROA", "ASCA", "A3T"}

// awsKey finds ids of AWS' keys, and secret keys by the word in front of them.
func awsKey(text []byte, from int) (span, bool) {
	for at := from; at+20 <= len(text); at++ {
		switch text[at] {
		case 'A':
			if end := runEnd(text[:min(at+21, len(text))], at, func(b byte) bool { return upper(b) || digit(b) }); end-at != 20 || !apart(text, at, end) {
				continue
			}
			for _, id := range awsKeyIDs {
				if bytes.HasPrefix(text[at:], []byte(id)) {
					return span{at, at + 20}, true
				}
			}
		case 's', 'S':
			if s, ok := awsSecret(text, at); ok {
				return s, true
			}
		}
	}
	return span{}, false
}

// awsSecret finds a key of 40 characters behind secret_access_key or SecretAccessKey.
func awsSecret(text []byte, at int) (span, bool) {
	for _, word := range []string{"secret", "access", "key"} {
		if len(text)-at < len(word) || !bytes.EqualFold(text[at:at+len(word)], []byte(word)) {
			return span{}, false
		}
		at += len(word)
		if at < len(text) && (text[at] == '_' || text[at] == '-' || text[at] == ' ') {
			at++
		}
	}
	for n := 0; n < 6 && at < len(text) && strings.IndexByte(" :=\"'\t\\>", text[at]) >= 0; n++ {
		at++
	}
	end := runEnd(text, at, func(b byte) bool { return alnum(b) || b == '+' || b == '/' })
	return span{at, end}, end-at == 40
}

// privateKey finds a private key in PEM, to its end, or to the end of the text if it is cut off.
func privateKey(text []byte, from int) (span, bool) {
	begin, dashes := []byte("-----BEGIN "), []byte("-----")
	for at := from; ; {
		i := bytes.Index(text[at:], begin)
		if i < 0 {
			return span{}, false
		}
		start := at + i
		at = start + len(begin)
		end := runEnd(text, at, func(b byte) bool { return upper(b) || digit(b) || b == ' ' })
		if label := text[at:end]; !bytes.HasPrefix(text[end:], dashes) ||
			!bytes.HasSuffix(label, []byte("PRIVATE KEY")) && !bytes.HasSuffix(label, []byte("PRIVATE KEY BLOCK")) {
			continue
		}
		last := bytes.Index(text[end:], []byte("-----END "))
		if last < 0 {
			return span{start, len(text)}, true
		}
		end += last + len("-----END ")
		if i := bytes.Index(text[end:], dashes); i >= 0 {
			return span{start, end + i + len(dashes)}, true
		}
		return span{start, len(text)}, true
	}
}
