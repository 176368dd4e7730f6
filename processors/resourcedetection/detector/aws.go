package detector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
)

// awsAddress is of the instance metadata service (IMDS).
const awsAddress = "http://169.254.169.254"

// ec2 asks IMDS, version 2.
type ec2 struct {
	http *http.Client
	base string
	tags []*regexp.Regexp
	must bool
}

// Detect gives the instance's identity document, its host name and tags.
func (d *ec2) Detect(ctx context.Context) (Attributes, error) {
	token, err := ask(ctx, d.http, http.MethodPut, d.base+"/latest/api/token", map[string]string{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
	if err != nil {
		return missing(d.must, "the EC2 metadata service", err)
	}
	get := func(path string) (string, error) {
		b, err := ask(ctx, d.http, http.MethodGet, d.base+"/latest/"+path, map[string]string{"X-aws-ec2-metadata-token": text(token)})
		return text(b), err
	}
	body, err := get("dynamic/instance-identity/document")
	if err != nil {
		return nil, fmt.Errorf("cannot read the instance's identity document: %w", err)
	}
	var doc struct{ Region, AccountID, AvailabilityZone, InstanceID, ImageID, InstanceType string }
	if err := decode([]byte(body), &doc); err != nil {
		return nil, fmt.Errorf("cannot read the instance's identity document: %w", err)
	}
	host, err := get("meta-data/hostname")
	if err != nil {
		return nil, fmt.Errorf("cannot read the instance's host name: %w", err)
	}
	found := Attributes{
		"cloud.provider": "aws", "cloud.platform": "aws_ec2", "cloud.region": doc.Region, "cloud.account.id": doc.AccountID,
		"cloud.availability_zone": doc.AvailabilityZone, "host.id": doc.InstanceID, "host.image.id": doc.ImageID,
		"host.type": doc.InstanceType, "host.name": host,
	}
	if len(d.tags) == 0 {
		return found, nil
	}
	keys, err := get("meta-data/tags/instance")
	if err != nil {
		return found, fmt.Errorf("cannot read the instance's tags, which InstanceMetadataTags=enabled allows: %w", err)
	}
	for key := range strings.Lines(keys) {
		key = strings.TrimSpace(key)
		if !matches(d.tags, key) {
			continue
		}
		v, err := get("meta-data/tags/instance/" + key)
		if err != nil {
			return found, fmt.Errorf("cannot read the tag %q: %w", key, err)
		}
		found["ec2.tag."+key] = v
	}
	return found, nil
}

func matches(list []*regexp.Regexp, text string) bool {
	for _, re := range list {
		if re.MatchString(text) {
			return true
		}
	}
	return false
}

// missing is the result where a metadata service does not answer: the process runs elsewhere, or that is a failure.
func missing(must bool, what string, err error) (Attributes, error) {
	if must {
		return nil, fmt.Errorf("%s does not answer: %w", what, err)
	}
	return nil, nil
}

// eks knows the cluster by its tokens and version, and the instance by IMDS.
type eks struct {
	api  *api
	ec2  ec2
	more bool // whether an attribute of the instance is switched on
}

// Detect gives nothing outside EKS.
func (d *eks) Detect(ctx context.Context) (Attributes, error) {
	is, err := d.onEKS(ctx)
	if !is {
		if err == nil {
			err = errors.New("this is not EKS")
		}
		return missing(d.ec2.must, "EKS", err)
	}
	found := Attributes{}
	if d.more {
		if found, err = d.ec2.Detect(ctx); found == nil {
			found = Attributes{}
		}
	}
	found["cloud.provider"], found["cloud.platform"] = "aws", "aws_eks"
	return found, err
}

func (d *eks) onEKS(ctx context.Context) (bool, error) {
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return false, nil
	}
	if strings.Contains(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), "eks.amazonaws.com") ||
		strings.Contains(os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "eks-pod-identity") {
		return true, nil
	}
	var version struct{ GitVersion string }
	if err := d.api.get(ctx, "/version", &version); err != nil {
		return false, err
	}
	return strings.Contains(version.GitVersion, "-eks-"), nil
}
