package presets

import (
	"testing"
	"time"
)

// TestRefused: no way to write a metadata address, or this host, is scraped; a pod's address is.
func TestRefused(t *testing.T) {
	for _, address := range []string{
		"169.254.169.254:80", "169.254.169.254", "169.254.170.2:80", "169.254.0.1:1", "[fe80::a9fe:a9fe%eth0]:80", "[fe80::1]:80",
		"[fd00:ec2::254]:80", "[fd00:0ec2:0::23]:80", "fd00:ec2::254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]:80", "[::ffff:a9fe:a9fe]:80", "[64:ff9b::a9fe:a9fe]:80", "[64:ff9b::169.254.169.254]:80",
		"[2002:a9fe:a9fe::1]:80", "[64:ff9b::a83f:8110]:80", "168.63.129.16:80", "100.100.100.200:80", "192.0.0.192:80", "[fd20:ce::254]:80", "[fd00:c1::a9fe:a9fe]:80",
		"127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80", "[::]:80", "224.0.0.1:80", "[ff02::1]:80",
		"metadata.google.internal:80", "localhost:80", "2852039166:80", "0xa9fea9fe:80", "169.254.43518:80", "", "10.0.0.1/x:80", "a@10.0.0.1:80",
	} {
		if Refused(address) == nil {
			t.Errorf("%q is scraped", address)
		}
	}
	for _, address := range []string{"10.0.0.1:8080", "10.0.0.1", "[fd12::1]:80", "fd12::1", "[fd12::1]", "192.168.254.169:80", "100.64.0.1:80", "[64:ff9b::a00:1]:80"} {
		if err := Refused(address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestFaults(t *testing.T) {
	k := DefaultKubelet()
	k.Enabled = true
	if err := k.Validate(); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*Kubelet){
		"port":     func(k *Kubelet) { k.Port = 0 },
		"token":    func(k *Kubelet) { k.TokenFile = "" },
		"two ways": func(k *Kubelet) { k.CAFile, k.InsecureSkipVerify = "a", true },
		"interval": func(k *Kubelet) { k.ScrapeInterval = -time.Second },
	} {
		bad := k
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	if (Annotations{ScrapeInterval: time.Microsecond}).Validate() == nil {
		t.Error("an interval of a microsecond is accepted")
	}
	t.Setenv(AddressVariable, "node-1")
	if _, err := k.Jobs(); err == nil {
		t.Error("a name as the node's address is accepted")
	}
}
