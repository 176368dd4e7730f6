package grpcserver

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/internal/inflate"
)

// A Status is how a call ends that did not succeed. As an error of a Handler it is answered as it is.
type Status struct {
	Code    codes.Code
	Message string
	Details []byte // an encoded google.rpc.Status with details, or nil (grpc-status-details-bin)
}

func (s *Status) Error() string { return fmt.Sprintf("%s: %s", s.Code, s.Message) }

// maxStatusMessage bounds a message, which goes out in a header: clients bound their headers, some at 8 KiB, and it is
// there up to three times its length, and once more in the details.
const maxStatusMessage = 1 << 10

// Shorten cuts a message to what a status may carry.
func Shorten(message string) string {
	if len(message) <= maxStatusMessage {
		return message
	}
	end := maxStatusMessage - len("…")
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}

// statusOf is the status that err is answered with.
func (s *Server) statusOf(err error) *Status {
	var st *Status
	if errors.As(err, &st) {
		return st
	}
	if errors.Is(err, inflate.ErrTooLarge) {
		return &Status{Code: codes.ResourceExhausted, Message: err.Error()}
	}
	return s.opt.StatusOf(err)
}

// appendStatus appends the header fields of a status.
func appendStatus(dst []byte, st *Status) []byte {
	dst = appendField(dst, "grpc-status", fmt.Sprint(uint32(st.Code)))
	dst = appendField(dst, "grpc-message", percentEncode(Shorten(st.Message)))
	if len(st.Details) > 0 && len(st.Details) <= 2*maxStatusMessage {
		dst = appendField(dst, "grpc-status-details-bin", base64.RawStdEncoding.EncodeToString(st.Details))
	}
	return dst
}

// percentEncode encodes what may not stand in a header field, as gRPC wants it.
func percentEncode(s string) string {
	plain := func(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
