// Command packaging builds the packages of moor: archives, .deb, .ipk and .apk, a container
// image, checksums and a list of components. make packages runs it.
//
// The same commit gives the same octets: times are that of the commit, orders are fixed, and
// the compression is Go's own. nfpm and cyclonedx-gomod are run at pinned versions.
package main
