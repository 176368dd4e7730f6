package kube_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/kube"
)

// TestNoPasswordInErrors: a server's URL with a password that cannot be used is not shown.
func TestNoPasswordInErrors(t *testing.T) {
	for _, server := range []string{"https://user:secret-marker@host:port", "https://user:secret-marker@[::1", "https://user:secret-marker@h/%zz"} {
		path := filepath.Join(t.TempDir(), "kubeconfig")
		text := "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{name: c, cluster: {server: \"" + server + "\"}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := kube.Use(kube.Access{AuthType: kube.KubeConfig, KubeconfigFile: path}, kube.Feature{Name: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err == nil {
			u.Reserve(kube.Want{Kind: kube.Pods, Need: kube.Identity})
			err = u.Start(t.Context())
			u.Close()
		}
		if err == nil || strings.Contains(err.Error(), "secret-marker") {
			t.Errorf("%s: %v", server, err)
		}
	}
}
