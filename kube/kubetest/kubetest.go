// Package kubetest is a small API server for tests, which behaves like kube-apiserver 1.35 in what client-go's reflectors,
// dynamic and metadata clients and leader election see, with faults to order, counts of what was asked and sent, and
// objects of realistic clusters. It keeps everything in memory and knows nothing of validation or controllers.
package kubetest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/sluiceio/sluice/kube/kubetest/history"
	"github.com/sluiceio/sluice/kube/kubetest/rights"
	"github.com/sluiceio/sluice/kube/kubetest/selfsigned"
)

// Options are how the server begins. The zero value: plain HTTP, nobody needs a token, everything is allowed.
type Options struct {
	TLS              bool          // HTTPS and HTTP/2, with a certificate of its own
	Token            string        // the client's bearer token; empty: none is needed
	User             string        // the client's name; empty: DefaultUser
	NoStreamingLists bool          // refuse sendInitialEvents, as servers without the gate WatchList
	GoneAsStatus     bool          // answer a watch from a compacted version with status 410; else with 200 and an ERROR event, as the watch cache does
	GoneSilently     bool          // end such a watch at once, without an event, as etcd's does for events (kubernetes/kubernetes#104171)
	BookmarkEvery    time.Duration // between bookmarks of a watch; 0: a minute, as the watch cache
}

// DefaultUser is who the client is.
const DefaultUser = "system:serviceaccount:sluice:sluice"

// Server is a running API server. Its methods may be called by several goroutines.
type Server struct {
	t       testing.TB
	options Options
	store   *history.Store
	record  record
	access  *rights.Access
	faults  faults

	streaming, goneAsStatus atomic.Bool
	cuts, marks             signal
	calls                   sync.WaitGroup

	address string
	cert    *selfsigned.Certificate // nil: plain HTTP

	mu      sync.Mutex
	running *http.Server // nil while it is down
	ended   bool         // with the test
}

// New starts a server on a free port of 127.0.0.1. It ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.User == "" {
		o.User = DefaultUser
	}
	if o.BookmarkEvery <= 0 {
		o.BookmarkEvery = time.Minute
	}
	s := &Server{t: t, options: o, store: history.New(), access: rights.New(o.User, o.Token), address: "127.0.0.1:0"}
	s.streaming.Store(!o.NoStreamingLists)
	s.goneAsStatus.Store(o.GoneAsStatus)
	if o.TLS {
		cert, err := selfsigned.New()
		if err != nil {
			t.Fatal(err)
		}
		s.cert = cert
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		s.calls.Wait()
	})
	return s
}

// start listens at the server's address, which another process may hold for a moment after a stop.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	var listener net.Listener
	var err error
	for range 100 {
		if listener, err = net.Listen("tcp", s.address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("cannot start the API server: %w", err)
	}
	s.address = listener.Addr().String()
	server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connection{}, c)
	}}
	s.running = server
	s.calls.Go(func() {
		if s.cert != nil {
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.cert.Pair}, MinVersion: tls.VersionTLS12}
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	})
	return nil
}

// Stop cuts all connections and refuses new ones until Start.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.running
	s.running = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// Start listens again at the same address, with all objects and versions as they were.
func (s *Server) Start() {
	if err := s.start(); err != nil {
		s.t.Error(err)
	}
}

// Restart is Stop, a while, and Start.
func (s *Server) Restart(down time.Duration) {
	s.Stop()
	time.Sleep(down)
	s.Start()
}

// Address is host and port.
func (s *Server) Address() string { return s.address }

// URL is where the server is.
func (s *Server) URL() string {
	if s.cert != nil {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// RESTConfig is the client's, with the token that now counts and without a limit of requests.
func (s *Server) RESTConfig() *rest.Config {
	config := &rest.Config{Host: s.URL(), BearerToken: s.access.Token(), QPS: -1}
	if s.cert != nil {
		config.CAData = s.cert.PEM
	}
	return config
}

// Kubeconfig writes the client's kubeconfig to a file of the test and returns its path.
func (s *Server) Kubeconfig(t testing.TB) string {
	t.Helper()
	const name = "kubetest"
	cluster := &clientcmdapi.Cluster{Server: s.URL()}
	if s.cert != nil {
		cluster.CertificateAuthorityData = s.cert.PEM
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: cluster},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: s.access.Token()}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// CA is the certificate of a server with TLS, as PEM; else nil.
func (s *Server) CA() []byte {
	if s.cert == nil {
		return nil
	}
	return s.cert.PEM
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()
	c := parse(r)
	c.User = s.access.Authenticate(r)
	form, fits := negotiate(c.Accept)
	if !fits {
		form = jsonForm()
	}
	c.form, c.Partial = form, form.partial
	c.seen = s.record.add(c.Request)
	defer c.seen.open.Store(false)
	out := counting{w, c.seen}
	if err := s.answer(out, c, fits); err != nil {
		c.form.fail(out, err)
	}
}

// answer writes the answer, or returns the error to be written.
func (s *Server) answer(w http.ResponseWriter, c *call, fits bool) error {
	if f, is := s.faults.of(c); is {
		select {
		case <-time.After(f.Delay):
		case <-c.http.Context().Done():
			panic(http.ErrAbortHandler)
		}
		if err := f.error(c); err != nil {
			return err
		}
	}
	if c.User == "" {
		return apierrors.NewUnauthorized("Unauthorized")
	}
	if act := c.action(); !act.Open() && !s.access.Allowed(c.User, act) {
		return c.forbidden()
	}
	if c.Resource == "" {
		return s.discover(w, c)
	}
	if review := reviewOf(c); review != nil {
		return s.review(w, c, review)
	}
	if c.kind == nil || (c.Subresource != "" && (c.Subresource != "status" || !c.kind.Status)) {
		return unknownPath()
	}
	if !fits {
		return notAcceptable()
	}
	switch c.Verb {
	case "get":
		return s.get(w, c)
	case "list":
		return s.list(w, c)
	case "watch":
		return s.watch(w, c)
	}
	return s.write(w, c)
}

func unknownPath() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource", Details: &metav1.StatusDetails{},
	}}
}

func notAcceptable() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
	}}
}
