// Package mutations proves docs/upstream-tests.md: that each test it names fails when the
// behavior of its row is broken.
//
// docs/upstream-mutations.txt has the changes, each of one line. A block is
//
//	== CASE
//	package.Test package.Test/subtest
//	path of the file
//	- text in a line
//	+ text in its place
//
// The case is the first cell of a row. The text to be replaced is in one line of the file
// alone. The build gets the changed file as an overlay, so that the tree stays as it is.
package mutations
