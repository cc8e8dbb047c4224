// Package hooks puts keyquench behind Git's hooks: it says what of a repository
// a hook's call is about, and installs, removes and examines the scripts that
// make the calls.
//
// It opens no connection and needs no credentials. What it changes in a
// repository are hook scripts and Git's configuration, by the git program, and
// only when Install or Uninstall are asked to.
package hooks
