package cluster

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// control is an etcd in this process and a kube-apiserver beside it.
type control struct {
	t       testing.TB
	dir     string
	address string
	args    []string
	server  *exec.Cmd
	kube    *kubernetes.Clientset
	dynamic *dynamic.DynamicClient
}

const adminToken = "admin-of-the-test"

func port(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start begins both. The program is built by `make cluster`.
func start(t testing.TB) *control {
	t.Helper()
	c := &control{t: t, dir: t.TempDir()}
	etcd := embed.NewConfig()
	etcd.Dir, etcd.LogLevel = filepath.Join(c.dir, "etcd"), "fatal"
	client := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port(t))}
	peer := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port(t))}
	etcd.ListenClientUrls, etcd.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	etcd.ListenPeerUrls, etcd.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	etcd.InitialCluster = etcd.InitialClusterFromName(etcd.Name)
	e, err := embed.StartEtcd(etcd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	<-e.Server.ReadyNotify()

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sa := c.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	tokens := c.write("tokens.csv", []byte(adminToken+",admin,admin,system:masters\n"))
	c.address = fmt.Sprintf("127.0.0.1:%d", port(t))
	_, p, _ := net.SplitHostPort(c.address)
	c.args = []string{
		"--etcd-servers=" + client.String(), "--secure-port=" + p, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--cert-dir=" + filepath.Join(c.dir, "certs"), "--service-account-key-file=" + sa, "--service-account-signing-key-file=" + sa,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC",
		"--token-auth-file=" + tokens, "--enable-admission-plugins=PodSecurity", "--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none", "--v=0",
	}
	c.begin()
	t.Cleanup(c.end)
	config := &rest.Config{Host: "https://" + c.address, BearerToken: adminToken, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: 1000, Burst: 1000}
	if c.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *control) write(name string, b []byte) string {
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *control) begin() {
	c.t.Helper()
	binary, _ := filepath.Abs("../bin/kube-apiserver")
	log, err := os.Create(filepath.Join(c.dir, "apiserver.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.server = exec.Command(binary, c.args...)
	c.server.Stdout, c.server.Stderr = log, log
	c.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.server.Start(); err != nil {
		c.t.Fatal("make cluster builds it: ", err)
	}
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 2 * time.Second}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		req, _ := http.NewRequest(http.MethodGet, "https://"+c.address+"/readyz", nil)
		req.Header.Set("Authorization", "Bearer "+adminToken)
		if res, err := h.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			c.t.Fatalf("the API server is not ready: %s", b[max(0, len(b)-4000):])
		}
	}
}

func (c *control) end() {
	_ = c.server.Process.Signal(syscall.SIGKILL)
	_ = c.server.Wait()
}

// restart ends the API server and begins it again; etcd stays.
func (c *control) restart() { c.end(); c.begin() }

// kubeconfig is a file of who has a token.
func (c *control) kubeconfig(token string) string {
	c.t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://" + c.address, InsecureSkipTLSVerify: true}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	path := filepath.Join(c.t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *control) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

var background = context.Background()
