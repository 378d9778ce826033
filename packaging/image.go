package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
)

// Media types of the OCI image format.
const (
	imageIndex    = "application/vnd.oci.image.index.v1+json"
	imageManifest = "application/vnd.oci.image.manifest.v1+json"
	imageConfig   = "application/vnd.oci.image.config.v1+json"
	imageLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor points to a blob of an image.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

// index lists the manifests of an image.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// manifest is the image of one platform.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

// configuration describes how a container of the image runs.
type configuration struct {
	Created string `json:"created"`
	platform
	Config struct {
		Env        []string
		Entrypoint []string
		Cmd        []string
		Volumes    map[string]struct{}
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// image writes an image with nothing but the program, for all platforms, as a tar archive of
// an OCI layout.
func (b *build) image(targets []target) error {
	layout := &imageBlobs{dir: filepath.Join(b.work, "oci")}
	all := index{SchemaVersion: 2, MediaType: imageIndex}
	for _, t := range targets {
		if t.image == "-" {
			continue
		}
		d, err := b.platformImage(layout, t)
		if err != nil {
			return err
		}
		all.Manifests = append(all.Manifests, d)
	}
	if len(all.Manifests) == 0 {
		return nil
	}
	d, err := layout.addJSON(imageIndex, all)
	if err != nil {
		return err
	}
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": b.version.tag}
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: imageIndex, Manifests: []descriptor{d}})
	if err != nil {
		return err
	}
	files := map[string][]byte{"index.json": top, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(layout.dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return b.writeLayout(layout)
}

// writeLayout writes the archive of the layout.
func (b *build) writeLayout(layout *imageBlobs) error {
	var files []file
	for _, source := range append(b.glob("oci/blobs/sha256/*"), b.glob("oci/*-layout")[0], filepath.Join(layout.dir, "index.json")) {
		name, err := filepath.Rel(layout.dir, source)
		if err != nil {
			return err
		}
		files = append(files, file{path: name, source: source, mode: 0o644})
	}
	text, err := b.tarball("", files)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, "moor-"+b.version.tag[1:]+"-image.oci.tar"), text, 0o644)
}

func (b *build) platformImage(layout *imageBlobs, t target) (descriptor, error) {
	layer, err := b.tarball("", []file{{path: "moor", source: b.program(t), mode: 0o755}})
	if err != nil {
		return descriptor{}, err
	}
	packed, err := pack(layer)
	if err != nil {
		return descriptor{}, err
	}
	layerAt, err := layout.addBlob(imageLayer, packed)
	if err != nil {
		return descriptor{}, err
	}
	at := platform{Architecture: t.arch, OS: "linux", Variant: t.image}
	c := configuration{Created: b.time.Format("2006-01-02T15:04:05Z"), platform: at}
	c.Config.Env = []string{"PATH=/", "MOOR_STATE=/state"}
	c.Config.Entrypoint, c.Config.Cmd = []string{"/moor"}, []string{"--help"}
	c.Config.Volumes = map[string]struct{}{"/state": {}}
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{digestOf(layer)}
	configAt, err := layout.addJSON(imageConfig, c)
	if err != nil {
		return descriptor{}, err
	}
	d, err := layout.addJSON(imageManifest, manifest{
		SchemaVersion: 2, MediaType: imageManifest, Config: configAt, Layers: []descriptor{layerAt},
		Annotations: map[string]string{
			"org.opencontainers.image.version": b.version.tag, "org.opencontainers.image.revision": b.version.revision,
			"org.opencontainers.image.source": "https://github.com/moor-ble/moor", "org.opencontainers.image.licenses": "MIT",
		},
	})
	d.Platform = &at
	return d, err
}

// imageBlobs is a directory of blobs, which are named by their digests.
type imageBlobs struct{ dir string }

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (l *imageBlobs) addBlob(mediaType string, b []byte) (descriptor, error) {
	digest := digestOf(b)
	path := filepath.Join(l.dir, "blobs", "sha256", digest[len("sha256:"):])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return descriptor{}, err
	}
	return descriptor{MediaType: mediaType, Digest: digest, Size: len(b)}, os.WriteFile(path, b, 0o644)
}

func (l *imageBlobs) addJSON(mediaType string, v any) (descriptor, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return descriptor{}, err
	}
	return l.addBlob(mediaType, b.Bytes())
}
