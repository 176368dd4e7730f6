package trial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Find lists the cases that are named, and those below folders, whose names match.
func Find(args []string, match *regexp.Regexp) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".txtar" {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var chosen []string
	for _, file := range files {
		if match.MatchString(file) {
			chosen = append(chosen, file)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("there is no such case; a case is a file *.txtar")
	}
	return chosen, nil
}
