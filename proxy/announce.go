package proxy

import (
	"strings"

	"github.com/moor-ble/moor/hci"
)

// ServiceType is the type of the service by which clients find proxies on their network.
const ServiceType = "_esphomelib._tcp"

// noiseName names the encryption of the protocol to those who look for proxies.
const noiseName = "Noise_NNpsk0_25519_ChaChaPoly_SHA256"

// Announcement returns the TXT record by which clients on the network know the proxy again:
// strings of the form key=value.
func (c *Config) Announcement() []string {
	friendly := c.FriendlyName
	if friendly == "" {
		friendly = c.Name
	}
	all := []string{
		"mac=" + shortMAC(c.MAC), "version=" + apiVersion, "friendly_name=" + friendly, "platform=host", "network=ethernet",
		"project_name=" + project, "project_version=" + c.Version,
	}
	if c.Key != nil {
		return append(all, "api_encryption="+noiseName)
	}
	return append(all, "api_encryption_supported="+noiseName)
}

// shortMAC returns a MAC in 12 lower-case hexadecimal digits.
func shortMAC(m hci.MAC) string { return strings.ToLower(strings.ReplaceAll(m.String(), ":", "")) }
