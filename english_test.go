package moor_test

import (
	"bytes"
	"go/ast"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// vague matches "what" and "who" as the subject of a clause, or as the object of its
// verb. The reader has to find out then which thing of the domain is meant.
var vague = regexp.MustCompile(`(?i)` +
	`\b(returns?|is|are|was|says?|tells?|shows?|reports?|holds?|gives?|has|means?|lists?|knows?|sees?|keeps?|changes|` +
	`does|decides?|names?|describes?|records?|counts?|reads?|writes?|remembers?|stores?|selects?|sets?) (what|who)(ever)?\b` +
	`|(^|[.:;] )(what|who)(ever)?\b|\b(what|who) is\b`)

// TestPublicEnglish fails on vague subjects and objects in the comments of exported
// names.
func TestPublicEnglish(t *testing.T) {
	walkSource(t, func(file string, parsed *ast.File, set *token.FileSet) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, doc := range publicComments(parsed) {
			text := strings.Join(strings.Fields(doc.Text()), " ")
			if m := vague.FindString(text); m != "" {
				t.Errorf("%s: %q names no thing: write a noun of the domain instead", set.Position(doc.Pos()), m)
			}
		}
	})
}

// publicComments returns the comments that go doc shows: those of the package, and of
// its exported declarations and their fields and methods.
func publicComments(file *ast.File) (docs []*ast.CommentGroup) {
	add := func(groups ...*ast.CommentGroup) {
		docs = append(docs, slices.DeleteFunc(groups, func(g *ast.CommentGroup) bool { return g == nil })...)
	}
	add(file.Doc)
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type))) {
				add(d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						add(d.Doc, s.Doc, s.Comment)
						add(memberComments(s.Type)...)
					}
				case *ast.ValueSpec:
					if s.Names[0].IsExported() {
						add(d.Doc, s.Doc, s.Comment)
					}
				}
			}
		}
	}
	return docs
}

// memberComments returns the comments of the exported fields or methods of a type.
func memberComments(typ ast.Expr) (docs []*ast.CommentGroup) {
	var list *ast.FieldList
	switch x := typ.(type) {
	case *ast.StructType:
		list = x.Fields
	case *ast.InterfaceType:
		list = x.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		if len(field.Names) == 0 || field.Names[0].IsExported() {
			docs = append(docs, field.Doc, field.Comment)
		}
	}
	return docs
}

// british lists beginnings of words that American English spells in another way.
var british = []string{
	"behaviour", "signalling", "signalled", "acknowledgement", "judgement", "colour", "neighbour", "cancelled", "cancelling",
	"labelled", "modelled", "dialled", "dialling", "initialise", "recognise", "synchronise", "organise", "optimise",
	"normalise", "analyse", "licence", "whilst",
}

// TestSpelling fails on British spellings in the files that git tracks, except in
// captures, corpora, images and this list.
func TestSpelling(t *testing.T) {
	for name, text := range trackedText(t) {
		if strings.Contains(name, "testdata/") || path.Ext(name) == ".svg" || name == "english_test.go" {
			continue
		}
		lower := bytes.ToLower(text)
		for _, word := range british {
			if before, _, found := bytes.Cut(lower, []byte(word)); found {
				t.Errorf("%s:%d: %q is not the American spelling", name, 1+bytes.Count(before, []byte("\n")), word)
			}
		}
	}
}

// wrongWords lists words that mean something else in a package.
var wrongWords = []struct{ dir, word, instead string }{
	{"controller", "adapter", "the chip is a controller; only a connmgr.Manager has adapters"},
	{"smp", "adapter", "the chip is a controller; only a connmgr.Manager has adapters"},
}

// wordsExempt lists comments that need a word of wrongWords, by a part of their text.
var wordsExempt = []struct{ dir, text, reason string }{}

// TestOneWord fails on comments that use a word of wrongWords, and on a row of
// wordsExempt that is no longer needed.
func TestOneWord(t *testing.T) {
	used := map[string]bool{}
	walkSource(t, func(file string, parsed *ast.File, set *token.FileSet) {
		dir := filepath.ToSlash(filepath.Dir(file))
		for _, w := range wrongWords {
			if dir != w.dir {
				continue
			}
			for _, group := range parsed.Comments {
				if !strings.Contains(strings.ToLower(group.Text()), w.word) {
					continue
				}
				i := slices.IndexFunc(wordsExempt, func(e struct{ dir, text, reason string }) bool {
					return e.dir == dir && strings.Contains(group.Text(), e.text)
				})
				if i < 0 {
					t.Errorf("%s: the comment has the word %s: %s", set.Position(group.Pos()), w.word, w.instead)
					continue
				}
				used[wordsExempt[i].text] = true
			}
		}
	})
	for _, e := range wordsExempt {
		if !used[e.text] {
			t.Errorf("wordsExempt has a row for %q, which no comment needs: remove the row", e.text)
		}
	}
}
