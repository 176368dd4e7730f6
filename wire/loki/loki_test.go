package loki

import "testing"

// TestNames are those of Loki's OTLP endpoint.
func TestNames(t *testing.T) {
	for key, want := range map[string]string{
		"service.name": "service_name", "k8s.pod/name-x": "k8s_pod_name_x", "": "key", "1st": "key_1st", "_x": "key_x",
		".x": "key_x", "größe": "gr__e", "é": "key_", "日本": "key__",
	} {
		if got := string(AppendName(nil, []byte(key))); got != want {
			t.Errorf("%q becomes %q, want %q", key, got, want)
		}
	}
	if got := string(AppendNamePart([]byte("parent_"), []byte("1.x"))); got != "parent_1_x" {
		t.Errorf("a part becomes %q", got)
	}
}
