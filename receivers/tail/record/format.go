package record

const (
	FormatAuto   = "auto" // CRI or Docker for pod log paths, otherwise decided by each file's first line
	FormatPlain  = "plain"
	FormatCRI    = "cri"
	FormatDocker = "docker" // the json-file driver's
)

// Formats are what a user may set.
func Formats() []string { return []string{FormatAuto, FormatPlain, FormatCRI, FormatDocker} }

// format is how lines are read.
type format uint8

const (
	plainText format = iota
	criLines
	dockerLines
)

// Set declares the format: one of the constants. pod says that the file is a container's log by its path.
func (l *Lines) Set(format string, pod bool) {
	switch format {
	case FormatCRI:
		l.format = criLines
	case FormatDocker:
		l.format = dockerLines
	case FormatAuto:
		l.auto, l.pod = true, pod
	}
}

// Joins reports whether a record may take several lines.
func (l *Lines) Joins() bool { return l.format != plainText || l.auto || l.multi != nil }

// Longest is the longest physical line that is not overlong, in bytes.
func (l *Lines) Longest() int {
	if l.format == dockerLines || l.auto {
		return max(dockerLineMax, l.max+CRIHeaderMax)
	}
	return l.max + CRIHeaderMax
}

// LongestLine is the most that Longest returns, for bodies of at most maxBytes.
func LongestLine(maxBytes int) int { return max(dockerLineMax, maxBytes+CRIHeaderMax) }

// Detect returns the format that a file's first line, without its newline, has. sure is false if more of the line is needed;
// whole says that there is no more.
func Detect(line []byte, whole bool) (format string, sure bool) {
	if !whole && len(line) < CRIHeaderMax {
		return "", false
	}
	switch {
	case IsCRI(line):
		return FormatCRI, true
	case whole && IsDocker(line):
		return FormatDocker, true
	case !whole && line[0] == '{':
		return "", false
	}
	return FormatPlain, true
}

// decide sets the format by a line; without a sign, a pod's log is CRI.
func (l *Lines) decide(line []byte) {
	found, _ := Detect(line, true)
	if l.auto = false; found == FormatPlain && l.pod {
		found = FormatCRI
	}
	l.Set(found, l.pod)
}

// parse reads the header of a line that is not CRI's where CRI's are expected. Lines of a pod's container may change their
// format: a runtime was replaced by another.
func (l *Lines) parse(line []byte, c *headed) bool {
	switch {
	case l.format == dockerLines && l.parseDocker(line, c):
	case !l.pod:
		return false
	case l.format == criLines && l.parseDocker(line, c):
		l.format = dockerLines
	case l.format == dockerLines && parseCRI(line, &l.clock, c):
		l.format = criLines
	default:
		return false
	}
	return true
}

func (l *Lines) parseDocker(line []byte, c *headed) bool {
	d := docker{clock: &l.clock, text: l.unescaped}
	ok := parseDocker(line, &d, c)
	l.unescaped = d.text
	return ok
}
