package detector

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// service answers by method and path. It wants the header on all paths but the token's.
func service(t *testing.T, header, value string, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.Path]
		switch {
		case !ok:
			http.Error(w, "secret of the server", http.StatusNotFound)
		case r.Method == http.MethodGet && r.Header.Get(header) != value:
			http.Error(w, "secret of the server", http.StatusUnauthorized)
		default:
			w.Write([]byte(body))
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func check(t *testing.T, d Detector, want Attributes) {
	t.Helper()
	got, err := d.Detect(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

var amazon = map[string]string{
	"PUT /latest/api/token":                          "token-1",
	"GET /latest/dynamic/instance-identity/document": `{"accountId":"123","availabilityZone":"eu-west-1b","imageId":"ami-1","instanceId":"i-1","instanceType":"m5.large","region":"eu-west-1"}`,
	"GET /latest/meta-data/hostname":                 "ip-10-0-0-1.ec2.internal",
	"GET /latest/meta-data/tags/instance":            "Name\nteam\nsecret",
	"GET /latest/meta-data/tags/instance/team":       "payments",
}

func TestEC2(t *testing.T) {
	base := service(t, "X-aws-ec2-metadata-token", "token-1", amazon)
	check(t, &ec2{http: client(), base: base, tags: []*regexp.Regexp{regexp.MustCompile("^team$")}}, Attributes{
		"cloud.provider": "aws", "cloud.platform": "aws_ec2", "cloud.region": "eu-west-1", "cloud.account.id": "123", "cloud.availability_zone": "eu-west-1b",
		"host.id": "i-1", "host.image.id": "ami-1", "host.type": "m5.large", "host.name": "ip-10-0-0-1.ec2.internal", "ec2.tag.team": "payments",
	})
}

func TestElsewhere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	l.Close() // nobody listens
	for _, must := range []bool{false, true} {
		for _, d := range []Detector{&ec2{http: client(), base: base, must: must}, &gcp{http: client(), base: base, must: must},
			&azure{http: client(), base: base, must: must}, &docker{socket: filepath.Join(t.TempDir(), "none"), must: must}} {
			if got, err := d.Detect(t.Context()); len(got) > 0 || (err != nil) != must {
				t.Errorf("%T must=%v: %v, %v", d, must, got, err)
			}
		}
	}
}

// TestErrorsShowNoSecrets: what a metadata service answers may be somebody's secret.
func TestErrorsShowNoSecrets(t *testing.T) {
	base := service(t, "X-aws-ec2-metadata-token", "another", amazon)
	_, err := (&ec2{http: client(), base: base}).Detect(t.Context())
	if err == nil || strings.Contains(err.Error(), "token-1") || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v", err)
	}
}

// TestNoProxyNoRedirect: metadata services are asked directly, and nothing that they say leads elsewhere.
func TestNoProxyNoRedirect(t *testing.T) {
	asked := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, proxy.URL, http.StatusFound) }))
	defer away.Close()
	if got, err := (&ec2{http: client(), base: away.URL, must: true}).Detect(t.Context()); err == nil || asked {
		t.Errorf("%v, asked %v", got, asked)
	}
}

func TestGCP(t *testing.T) {
	machine := map[string]string{
		"GET /computeMetadata/v1/project/project-id": "my-project", "GET /computeMetadata/v1/instance/id": "42",
		"GET /computeMetadata/v1/instance/name": "vm-1", "GET /computeMetadata/v1/instance/hostname": "vm-1.c.my-project.internal",
		"GET /computeMetadata/v1/instance/zone":                  "projects/9/zones/europe-west1-b",
		"GET /computeMetadata/v1/instance/machine-type":          "projects/9/machineTypes/e2-small",
		"GET /computeMetadata/v1/instance/attributes/created-by": "projects/9/zones/europe-west1-b/instanceGroupManagers/web",
	}
	want := Attributes{
		"cloud.provider": "gcp", "cloud.platform": "gcp_compute_engine", "cloud.account.id": "my-project", "cloud.region": "europe-west1", "cloud.availability_zone": "europe-west1-b",
		"host.id": "42", "host.name": "vm-1", "host.type": "e2-small", "gcp.gce.instance.name": "vm-1", "gcp.gce.instance.hostname": "vm-1.c.my-project.internal",
		"gcp.gce.instance_group_manager.name": "web", "gcp.gce.instance_group_manager.zone": "europe-west1-b",
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	check(t, &gcp{http: client(), base: service(t, "Metadata-Flavor", "Google", machine)}, want)
	machine["GET /computeMetadata/v1/instance/attributes/cluster-name"] = "prod"
	machine["GET /computeMetadata/v1/instance/attributes/cluster-location"] = "europe-west1"
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	check(t, &gcp{http: client(), base: service(t, "Metadata-Flavor", "Google", machine)}, Attributes{
		"cloud.provider": "gcp", "cloud.platform": "gcp_kubernetes_engine", "cloud.account.id": "my-project", "cloud.region": "europe-west1",
		"host.id": "42", "host.name": "vm-1", "k8s.cluster.name": "prod",
	})
}

func TestAzure(t *testing.T) {
	base := service(t, "Metadata", "True", map[string]string{"GET /metadata/instance/compute": `{"location":"westeurope","name":"vm0","osProfile":{"computerName":"web0"},
		"resourceGroupName":"MC_group_prod_westeurope","subscriptionId":"sub","vmId":"id","vmScaleSetName":"set","vmSize":"D2","zone":"1",
		"tagsList":[{"name":"team","value":"a"},{"name":"x","value":"b"}]}`})
	check(t, &azure{http: client(), base: base, tags: []*regexp.Regexp{regexp.MustCompile("team")}}, Attributes{
		"cloud.provider": "azure", "cloud.platform": "azure_vm", "cloud.region": "westeurope", "cloud.account.id": "sub", "cloud.availability_zone": "1",
		"host.name": "web0", "host.id": "id", "azure.vm.name": "vm0", "azure.vm.size": "D2", "azure.vm.scaleset.name": "set",
		"azure.resourcegroup.name": "MC_group_prod_westeurope", "azure.tag.team": "a",
	})
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	check(t, &aks{azure{http: client(), base: base}}, nil)
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	check(t, &aks{azure{http: client(), base: base}}, Attributes{"cloud.provider": "azure", "cloud.platform": "azure_aks", "k8s.cluster.name": "prod"})
	if got := clusterOf("my_own_group"); got != "my_own_group" {
		t.Error(got)
	}
}

// cluster is a Kubernetes API with a service account's folder.
func cluster(t *testing.T, answers map[string]string) *api {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.EscapedPath()]
		switch {
		case r.Header.Get("Authorization") != "Bearer the-token":
			w.WriteHeader(http.StatusUnauthorized)
		case !ok:
			w.WriteHeader(http.StatusForbidden)
		default:
			w.Write([]byte(body))
		}
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "token"), []byte("the-token\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
	u, _ := url.Parse(s.URL)
	t.Setenv("KUBERNETES_SERVICE_HOST", u.Hostname())
	t.Setenv("KUBERNETES_SERVICE_PORT", u.Port())
	return &api{dir}
}

func TestKubernetes(t *testing.T) {
	a := cluster(t, map[string]string{
		"/api/v1/nodes/node-1":           `{"metadata":{"uid":"u-1"}}`,
		"/api/v1/namespaces/kube-system": `{"metadata":{"uid":"c-1"}}`,
		"/version":                       `{"gitVersion":"v1.33.1-eks-0a1b2c"}`,
	})
	t.Setenv("THE_NODE", "")
	d := &node{api: a, variable: "THE_NODE", uids: true}
	if _, err := d.Detect(t.Context()); err == nil || !strings.Contains(err.Error(), "THE_NODE") {
		t.Errorf("%v", err)
	}
	t.Setenv("THE_NODE", "node-1")
	check(t, d, Attributes{"k8s.node.name": "node-1", "k8s.node.uid": "u-1", "k8s.cluster.uid": "c-1"})
	t.Setenv("THE_NODE", "../secrets")
	if got, err := d.Detect(t.Context()); err == nil || got["k8s.node.name"] == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v, %v", got, err)
	}
	for _, name := range []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	check(t, &eks{api: a}, Attributes{"cloud.provider": "aws", "cloud.platform": "aws_eks"})
	base := service(t, "X-aws-ec2-metadata-token", "token-1", amazon)
	got, err := (&eks{api: a, more: true, ec2: ec2{http: client(), base: base}}).Detect(t.Context())
	if err != nil || got["host.id"] != "i-1" || got["cloud.platform"] != "aws_eks" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		text string
		want Attributes
		err  string
	}{
		{"", nil, ""},
		{"service.namespace=shop, team = a%20b ,empty=,", Attributes{"service.namespace": "shop", "team": "a b", "empty": ""}, ""},
		{"a=1,password", nil, "pair 2"},
		{"password=%zz", nil, "the value of password"},
		{"=x", nil, "pair 1"},
	} {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", c.text)
		got, err := environment{}.Detect(t.Context())
		if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
}

func TestContainer(t *testing.T) {
	id := strings.Repeat("0a1b2c3d", 8)
	for name, c := range map[string]struct{ file, text, want string }{
		"docker, v1":      {"cgroup", "12:pids:/docker/" + id + "\n0::/\n", id},
		"containerd, v1":  {"cgroup", "5:cpu:/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n", id},
		"cri-o, v1":       {"cgroup", "5:cpu:/kubepods/pod1/crio-" + id + "\n", id},
		"docker, v2":      {"mountinfo", "1 2 0:1 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw - ext4 /dev/sda rw\n", id},
		"a pod's sandbox": {"mountinfo", "1 2 0:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" + id + "/hostname /etc/hostname rw - ext4 /dev/sda rw\n", ""},
		"none":            {"cgroup", "0::/user.slice/user-0.slice/session-1.scope\n", ""},
	} {
		root := t.TempDir()
		os.MkdirAll(filepath.Join(root, "proc/self"), 0o700)
		os.WriteFile(filepath.Join(root, "proc/self", c.file), []byte(c.text), 0o600)
		if got := (container{root}).id(); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSystem(t *testing.T) {
	root := t.TempDir()
	for name, body := range map[string]string{
		"etc/machine-id": "0123\n", "etc/os-release": "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n",
		"proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon\nstepping\t: 7\ncache size\t: 36608 KB\nprocessor\t: 1\nmodel\t: 9\n",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700)
		os.WriteFile(filepath.Join(root, name), []byte(body), 0o600)
	}
	got, err := (&system{sources: []string{"os"}, root: root}).Detect(t.Context())
	host, _ := os.Hostname()
	for name, want := range map[string]any{
		"host.name": host, "os.type": runtime.GOOS, "host.id": "0123", "os.name": "Debian GNU/Linux", "os.version": "13", "host.cpu.vendor.id": "GenuineIntel",
		"host.cpu.family": "6", "host.cpu.model.id": "85", "host.cpu.model.name": "Xeon", "host.cpu.stepping": "7", "host.cpu.cache.l2.size": int64(36608),
	} {
		if err != nil || got[name] != want {
			t.Errorf("%s is %v, want %v (%v)", name, got[name], want, err)
		}
	}
	if d, _ := got["os.description"].(string); !strings.HasPrefix(d, "Debian GNU/Linux 13 (") {
		t.Errorf("%q", d)
	}
	// By default only the name and the type are shown.
	got, err = New("system", Options{HostnameSources: []string{"os"}}).Detect(t.Context())
	if err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	got, _ = New("system", Options{HostnameSources: []string{"os"}, Enabled: map[string]bool{"os.type": false, "host.arch": true}}).Detect(t.Context())
	if got["os.type"] != nil || got["host.arch"] == nil {
		t.Errorf("%v", got)
	}
}

func TestFaults(t *testing.T) {
	got := Options{Enabled: map[string]bool{"host.nmae": true}, Tags: []string{"("}}.Faults("ec2")
	if len(got) != 2 || !strings.Contains(got[0], "host.nmae") || !strings.Contains(got[0], "host.name") || !strings.Contains(got[1], "tags[0]") {
		t.Errorf("%q", got)
	}
}
