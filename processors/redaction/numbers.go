package redaction

import "slices"

// layouts are how card numbers are written in groups.
var layouts = [][]int{{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 4, 4, 1}, {4, 6, 5}, {4, 6, 4}}

// creditCard finds a card number: digits of a length that its issuer uses, whole or in the usual groups, with a right check
// digit.
func creditCard(text []byte, from int) (span, bool) {
	for at := from; at < len(text); {
		if !digit(text[at]) {
			at++
			continue
		}
		if to := cardEnd(text, at); to > 0 {
			return span{at, to}, true
		}
		at = runEnd(text, at, digit)
	}
	return span{}, false
}

// cardEnd is where the card number that begins with a run of digits ends, or 0.
func cardEnd(text []byte, at int) int {
	if at > 0 && (alnum(text[at-1]) || text[at-1] == '.' && at > 1 && digit(text[at-2])) {
		return 0 // part of a word, or behind a decimal point
	}
	var room, roomEnds [5]int
	var digits [19]byte
	sizes, ends, n := room[:0], roomEnds[:0], 0
	for pos, between := at, byte(0); len(sizes) < cap(sizes); {
		end := runEnd(text, pos, digit)
		if end == pos || n+end-pos > len(digits) {
			break
		}
		n += copy(digits[n:], text[pos:end])
		sizes, ends = append(sizes, end-pos), append(ends, end)
		if end == len(text) || text[end] != ' ' && text[end] != '-' || between != 0 && text[end] != between {
			break
		}
		between, pos = text[end], end+1
	}
	for ; len(sizes) > 0; sizes, ends = sizes[:len(sizes)-1], ends[:len(ends)-1] {
		end := ends[len(ends)-1]
		grouped := slices.ContainsFunc(layouts, func(l []int) bool { return slices.Equal(l, sizes) })
		number := digits[:sum(sizes)]
		if (grouped || len(sizes) == 1) && issued(number) && luhn(number) && apart(text, at, end) && !decimal(text, end) {
			return end
		}
	}
	return 0
}

func sum(list []int) (n int) {
	for _, x := range list {
		n += x
	}
	return n
}

// decimal says that a point and more digits follow.
func decimal(text []byte, at int) bool {
	return at+1 < len(text) && text[at] == '.' && digit(text[at+1])
}

// issued says whether issuers use the first digits with this length.
func issued(number []byte) bool {
	n := len(number)
	if n < 12 {
		return false
	}
	first := 0 // four digits
	for _, d := range number[:4] {
		first = 10*first + int(d-'0')
	}
	switch {
	case first/1000 == 4: // Visa
		return n == 13 || n == 16 || n == 19
	case first/100 >= 51 && first/100 <= 55, first >= 2221 && first <= 2720: // Mastercard
		return n == 16
	case first/100 == 34, first/100 == 37: // American Express
		return n == 15
	case first/100 == 36, first/100 == 38, first/100 == 39, first >= 3000 && first <= 3059: // Diners
		return n >= 14
	case first/100 == 35, first >= 2200 && first <= 2204: // JCB, Mir
		return n >= 16
	}
	return first/1000 == 6 || first/100 == 50 || first/100 >= 56 && first/100 <= 58 // Discover, UnionPay, Maestro
}

// luhn says whether the check digit is right.
func luhn(number []byte) bool {
	total := 0
	for i := range number {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		total += d
	}
	return total%10 == 0
}

// ibanLengths are the countries and the length of their account numbers.
const ibanLengths = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23" +
	"GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15" +
	"OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30"

// iban finds an account number in capitals, whole or in groups of four, of its country's length and with right check digits.
func iban(text []byte, from int) (span, bool) {
	for at := from; at+15 <= len(text); at++ {
		if !upper(text[at]) || !upper(text[at+1]) || !digit(text[at+2]) || !digit(text[at+3]) || at > 0 && alnum(text[at-1]) {
			continue
		}
		for i := 0; i < len(ibanLengths); i += 4 {
			if ibanLengths[i] != text[at] || ibanLengths[i+1] != text[at+1] {
				continue
			}
			if end := ibanEnd(text, at, int(ibanLengths[i+2]-'0')*10+int(ibanLengths[i+3]-'0')); end > 0 {
				return span{at, end}, true
			}
		}
	}
	return span{}, false
}

// ibanEnd is where the account number of n characters at a place ends, or 0.
func ibanEnd(text []byte, at, n int) int {
	var room [34]byte
	number := room[:0]
	end := at
	between := byte(0)
	if at+4 < len(text) && (text[at+4] == ' ' || text[at+4] == '-') {
		between = text[at+4]
	}
	for ; len(number) < n; end++ {
		if end == len(text) {
			return 0
		}
		if between != 0 && len(number) > 0 && len(number)%4 == 0 && text[end] == between && text[end-1] != between {
			continue
		}
		if !upper(text[end]) && !digit(text[end]) {
			return 0
		}
		number = append(number, text[end])
	}
	if !apart(text, at, end) || !mod97(number) {
		return 0
	}
	return end
}

// mod97 says whether the check digits, the third and the fourth character, are right.
func mod97(number []byte) bool {
	rest := 0
	for i := range number {
		switch c := number[(i+4)%len(number)]; {
		case digit(c):
			rest = (rest*10 + int(c-'0')) % 97
		default:
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}
