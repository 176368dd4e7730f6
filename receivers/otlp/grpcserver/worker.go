package grpcserver

import (
	"errors"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/internal/conns"
	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
)

// encodings maps gRPC encoding names to those of package inflate.
var encodings = map[string]string{"": "", "identity": "", "gzip": "gzip", "zstd": "zstd", "snappy": inflate.SnappyFramed}

const acceptEncoding = "identity,gzip,zstd,snappy"

func serve(st *stream, out []byte) []byte {
	defer st.c.srv.open.Done()
	answer, err := st.call()
	st.cancel()
	st.free()
	if err != nil {
		return st.c.answerError(st, err, out)
	}
	return st.c.answer(st, answer, out)
}

func (st *stream) call() (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			st.c.srv.opt.Log.Error("BUG: a call panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			answer, err = nil, &Status{Code: codes.Internal, Message: "the server failed; see its log"}
		}
	}()
	return st.handler(st.ctx, st)
}

// Received implements Call.
func (st *stream) Received() []byte { return st.body.Bytes() }

// Peer implements Call.
func (st *stream) Peer() string { return st.c.peer }

// RequestID implements Call.
func (st *stream) RequestID() string { return st.requestID }

// Metadata implements Call.
func (st *stream) Metadata(key string) (values []string) {
	for _, f := range st.metadata {
		if f.Name == key {
			values = append(values, f.Value)
		}
	}
	return values
}

// Message implements Call.
func (st *stream) Message() ([]byte, error) {
	if st.prefix[0] != 0 {
		if err := st.inflate(); err != nil {
			return nil, err
		}
	}
	if err := st.lease.Resize(st.body.Came()); err != nil {
		return nil, err
	}
	return st.body.Bytes(), nil
}

// inflate replaces the compressed message. Both are reserved meanwhile.
func (st *stream) inflate() error {
	packed := st.body.Bytes()
	if packed == nil {
		return nil // an empty message
	}
	plain := conns.Buffer(min(4*len(packed), st.c.srv.opt.MaxMessage))
	got, err := inflate.Bytes(plain.B, packed, st.encoding, inflate.Limits{Max: st.c.srv.opt.MaxMessage, Grow: st.lease.Resize})
	plain.B = got
	st.body.Become(plain)
	if err != nil && !isRefusal(err) && !errors.Is(err, inflate.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

func isRefusal(err error) bool {
	var r *pipeline.Refused
	return errors.As(err, &r)
}
