package httpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// readsOn is a transport that answers first and reads the body when told, which http.RoundTripper allows.
type readsOn struct {
	read chan struct{}
	got  chan error
}

func (r readsOn) RoundTrip(req *http.Request) (*http.Response, error) {
	go func() {
		defer req.Body.Close()
		<-r.read
		n, err := io.Copy(io.Discard, req.Body)
		if n > 0 {
			err = errors.New("bytes of a request that was over were read")
		}
		r.got <- err
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

func TestATransportThatReadsOnGetsNothing(t *testing.T) {
	for name, encode := range map[string]func(pipeline.Batch, *buffer.Pool) *payload.Payload{
		"borrowed": payload.Borrow,
		"owned": func(b pipeline.Batch, pool *buffer.Pool) *payload.Payload {
			return payload.Own(b, pool.Copy(b.Request))
		},
	} {
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		c := DefaultConfig()
		h, err := New(s, &c, Protocol{})
		if err != nil {
			t.Fatal(err)
		}
		transport := readsOn{make(chan struct{}), make(chan error)}
		h.client.Transport = transport
		var pool buffer.Pool
		k, err := delivery.New(s, delivery.Options{Retry: delivery.DefaultRetryConfig(), MaxInFlight: 1}, post{h, encode, &pool})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = k.Stop(context.WithoutCancel(t.Context())) }()
		err = k.Send(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: []byte("body"), Items: 1})
		if err != nil {
			t.Fatal(err)
		}
		close(transport.read)
		if err := <-transport.got; !errors.Is(err, payload.ErrReleased) {
			t.Errorf("%s: the transport reads on with %v", name, err)
		}
	}
}

type post struct {
	h      *Client
	encode func(pipeline.Batch, *buffer.Pool) *payload.Payload
	pool   *buffer.Pool
}

func (d post) Encode(b pipeline.Batch) (delivery.Requests, error) {
	return delivery.Requests{Groups: [][]*payload.Payload{{d.encode(b, d.pool)}}}, nil
}

func (d post) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	return d.h.Post(ctx, &url.URL{Scheme: "http", Host: "sink"}, p).Outcome
}
