// Package ownfile reads and writes files that belong to the user of the process alone:
// keys, state and captures.
//
// A program that runs as root may be pointed at a directory in which another user can
// make files. So nothing is believed of a name:
//
//   - A link is never followed. The entry of a directory must be the file itself.
//   - A file must be regular, have one name, and belong to the effective user of the
//     process. A directory must belong to that user too, and other users must not be
//     able to replace its entries.
//   - These checks, and changes of the mode, are made on the open file.
//
// A file is replaced as a whole: the new content is written under another name, synced
// and renamed. So a full disk or a crash leaves the old file. Locks are advisory.
//
// Systems without owners and modes of files, such as Windows, skip these checks.
package ownfile
