package otlpgrpc

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluiceio/sluice/pipeline"
)

// TestExhaustedIsNotTooLarge: whatever the words, unless they are those of a message that is too large.
func TestExhaustedIsNotTooLarge(t *testing.T) {
	for _, msg := range []string{"quota exceeded", "ingestion rate 12 larger than max 10 per second"} {
		for _, info := range []bool{false, true} {
			n := 0
			var first time.Time
			addr := serve(t, func(m string, s grpc.ServerStream) error {
				var in []byte
				s.RecvMsg(&in)
				if n++; n == 1 {
					first = time.Now()
					st := status.New(codes.ResourceExhausted, msg)
					if info {
						st, _ = st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
					}
					return st.Err()
				}
				return s.SendMsg([]byte{})
			})
			sink := start(t, func(c *Config) { c.Endpoint = addr })
			b := pipeline.Batch{Signal: pipeline.Logs, Request: []byte("0123456789"), Items: 1}
			err := sink.Consume(t.Context(), b)
			if wait := time.Since(first); info && wait < 1500*time.Millisecond {
				t.Errorf("%q: sent again after %s, 1.5s were asked for", msg, wait)
			}
			if err != nil {
				t.Errorf("%q retryinfo=%v: lost: %v", msg, info, err)
			}
		}
	}
}
