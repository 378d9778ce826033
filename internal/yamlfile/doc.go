// Package yamlfile decodes YAML files that people write into structs of Go. JSON is a
// subset.
//
// A scalar is text, which the type of its field reads: the octets of an unquoted address,
// a hexadecimal number and a passkey with leading zeros arrive as they are written. The
// key of a field is its name in lower case with hyphens, MaxLinks is max-links; a tag
// yaml:"name" replaces it, and "-" hides the field. Fields of functions are hidden too. A
// key without a field, a key that is there twice, and a value that its field refuses are
// an [Error] with file, line and column.
//
// With the build tag minimal, Decode refuses all files.
package yamlfile
