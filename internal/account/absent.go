package account

// Absence is what a server found missing when a GRANT failed.
type Absence string

// The absences, with the errors that tell of them.
const (
	AbsentTable   Absence = "table"   // 1146
	AbsentColumn  Absence = "column"  // 1054
	AbsentRoutine Absence = "routine" // 1305
)

// Absences are the objects that are gone, though privileges on them live on: a
// dropped table keeps its privileges, and nobody can tell from SHOW GRANTS. The
// caller learns it from the error of a step, notes it here, and plans again. The
// zero value is ready to use.
type Absences struct {
	objects map[Object]bool
	columns map[Object]map[string]bool
	apart   map[Object]bool
}

// Note records that a step failed since something is absent. It reports whether
// that was news; where it was not, planning again would lead to the same error.
func (a *Absences) Note(step Step, absence Absence) bool {
	object := step.Object.key()
	switch {
	case absence == AbsentTable && object.Level == LevelTable, absence == AbsentRoutine && object.Level == LevelRoutine:
		if a.objects[object] {
			return false
		}
		if a.objects == nil {
			a.objects = map[Object]bool{}
		}
		a.objects[object] = true
		return true
	case absence == AbsentColumn && len(step.Columns) > 1:
		// Which one it was, the next plan finds out.
		if a.apart[object] {
			return false
		}
		a.setApart(object)
		return true
	case absence == AbsentColumn && len(step.Columns) == 1:
		name := fold(step.Columns[0].Name)
		if a.columns[object][name] {
			return false
		}
		if a.columns == nil {
			a.columns = map[Object]map[string]bool{}
		}
		if a.columns[object] == nil {
			a.columns[object] = map[string]bool{}
		}
		a.columns[object][name] = true
		a.setApart(object)
		return true
	}
	return false
}

func (a *Absences) setApart(object Object) {
	if a.apart == nil {
		a.apart = map[Object]bool{}
	}
	a.apart[object] = true
}

func (a *Absences) object(object Object) bool {
	return a != nil && len(a.objects) > 0 && a.objects[object.key()]
}

func (a *Absences) column(object Object, name string) bool {
	return a != nil && len(a.columns) > 0 && a.columns[object.key()][fold(name)]
}

func (a *Absences) isApart(object Object) bool {
	return a != nil && len(a.apart) > 0 && a.apart[object.key()]
}
