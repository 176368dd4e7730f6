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

// A Status is the error of a call. A Handler may return one.
type Status struct {
	Code    codes.Code
	Message string
	Details []byte // encoded google.rpc.Status with details, or nil (grpc-status-details-bin)
}

func (s *Status) Error() string { return fmt.Sprintf("%s: %s", s.Code, s.Message) }

// maxStatusMessage is in bytes. The message goes into headers, which clients limit (some to 8 KiB), encoded at up to three
// times its length, and again in the details.
const maxStatusMessage = 1 << 10

// Shorten cuts a message to maxStatusMessage.
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

func appendStatus(dst []byte, st *Status) []byte {
	dst = appendField(dst, "grpc-status", fmt.Sprint(uint32(st.Code)))
	dst = appendField(dst, "grpc-message", percentEncode(Shorten(st.Message)))
	if len(st.Details) > 0 && len(st.Details) <= 2*maxStatusMessage {
		dst = appendField(dst, "grpc-status-details-bin", base64.RawStdEncoding.EncodeToString(st.Details))
	}
	return dst
}

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
