package text

import "regexp"

// packages matches the names of packages that errors begin with, wherever one error wraps
// another. Simulated air is an adapter too, so that its name counts only before the words
// that its errors begin with.
var packages = regexp.MustCompile(`(^|: |; |\n|\()(?:(?:connmgr|controller|errclass|esphome|gatt|att|goble|hci|hcisock|host|l2cap|lab|payload|peripheral|proxy|remote|servicecache|slots|smp|uuid): )+`)

var simulated = regexp.MustCompile(`(^|: |; |\n|\()sim: (scenario |peripheral |no scenario |no device |no controller )`)

// DropPackages removes the names of packages from the text of an error: they tell a
// programmer where it comes from, and a user nothing.
func DropPackages(s string) string {
	return simulated.ReplaceAllString(packages.ReplaceAllString(s, "$1"), "$1$2")
}
