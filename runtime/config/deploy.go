package config

import "regexp"

// versionForm is Semantic Versioning 2.0.0 without build metadata, as manifests write versions.
var versionForm = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?$`)

// imageForm is host, perhaps a port, a repository, and a tag or a digest (distribution specification 1.1).
var imageForm = regexp.MustCompile(`^oci://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$`)

// imagePrefix begins a reference to an image.
const imagePrefix = "oci://"

// hostForm is a registry's name.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)

// checkModule checks the form of a module and its version.
func checkModule(d *decoder, path, module, version string) {
	if len(module) >= len(imagePrefix) && module[:len(imagePrefix)] == imagePrefix && !imageForm.MatchString(module) {
		d.faultAt(path+".module", "expected oci://host/repository and :tag or @sha256:digest, such as oci://registry.example.com/filters/ticket:1.2.0")
	}
	if looksLikeURL(module) {
		d.faultAt(path+".module", "modules are not fetched from URLs; write a path, or oci:// and the reference of an image")
	}
	if version != "" && !versionForm.MatchString(version) {
		d.faultAt(path+".version", "expected a version such as 1.2.0 or 1.2.0-rc.1 (https://semver.org, without build metadata)")
	}
}

func checkDeploy(d *decoder, c *Deploy) {
	if c.Path == "" && len(c.Trust) == 0 && c.RequireSignature == nil && len(c.Registries) == 0 && d.clean("deploy") {
		d.faultAt("deploy", "empty; write path, trust or both, or remove it")
	}
	if c.RequireSignature != nil && *c.RequireSignature && len(c.Trust) == 0 && d.clean("deploy") {
		d.faultAt("deploy.require_signature", "no key is trusted, so no module could be loaded; list one in trust")
	}
	keys, hosts := unique{d: d}, unique{d: d}
	for i, k := range c.Trust {
		if k != (PublicKey{}) {
			keys.add(indexed("deploy.trust", i), k.String())
		}
	}
	for i, r := range c.Registries {
		path := indexed("deploy.registries", i)
		if r.Host != "" && !hostForm.MatchString(r.Host) {
			d.faultAt(path+".host", "expected a host, or host:port, as references spell it, such as registry.example.com")
		}
		hosts.add(path+".host", r.Host)
	}
}
