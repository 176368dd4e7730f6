package delivery

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"go.opentelemetry.io/collector/config/confighttp"

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
	for name, encode := range map[string]func(pipeline.Batch, *Pool) *Payload{
		"borrowed": Borrow,
		"owned":    func(b pipeline.Batch, pool *Pool) *Payload { return Own(b, pool.Copy(b.Request)) },
	} {
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		h, err := NewHTTP(s, HTTPOptions{Client: confighttp.NewDefaultClientConfig()})
		if err != nil {
			t.Fatal(err)
		}
		transport := readsOn{make(chan struct{}), make(chan error)}
		h.client.Transport = transport
		var pool Pool
		k, err := New(s, Options{Retry: DefaultRetryConfig(), MaxInFlight: 1}, post{h, encode, &pool})
		if err != nil {
			t.Fatal(err)
		}
		defer k.end()
		err = k.Send(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: []byte("body"), Items: 1})
		if err != nil {
			t.Fatal(err)
		}
		close(transport.read)
		if err := <-transport.got; !errors.Is(err, errReleased) {
			t.Errorf("%s: the transport reads on with %v", name, err)
		}
	}
}

type post struct {
	h      *HTTP
	encode func(pipeline.Batch, *Pool) *Payload
	pool   *Pool
}

func (d post) Encode(b pipeline.Batch) (Requests, error) {
	return Requests{Groups: [][]*Payload{{d.encode(b, d.pool)}}}, nil
}

func (d post) Attempt(ctx context.Context, p *Payload) Outcome {
	return d.h.Outcome(d.h.Post(ctx, &url.URL{Scheme: "http", Host: "sink"}, p))
}
