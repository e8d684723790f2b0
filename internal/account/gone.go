package account

import "tandem/internal/statement"

// Absence is what a server found gone, or no longer valid, when a GRANT failed.
type Absence string

// The absences.
const (
	// AbsentTable: a table, a view or a sequence, or the database that it was in.
	AbsentTable Absence = "table"
	// AbsentColumn: one of the columns that the statement names.
	AbsentColumn Absence = "column"
	// AbsentColumns: all columns of a view, or of a table, that cannot be opened, since what
	// it is made of is gone or has become another: a table, a view, a column, a function,
	// an index, a partition, a storage engine, its definer, or what its definer may do.
	// Privileges on it as a whole can be granted as ever.
	AbsentColumns Absence = "columns"
	// PerhapsAbsentColumns: that, or the error is about something else. Whoever can look
	// whether the columns can be used has to.
	PerhapsAbsentColumns Absence = "perhaps columns"
	// AbsentRoutine: a routine, a package or a library, or the database that it was in.
	AbsentRoutine Absence = "routine"
	// LockedTable: it is there, and another session keeps it locked, or its view's tables.
	LockedTable Absence = "locked"
	// NotCreatable: a table is gone, so that the GRANT has to have CREATE among its
	// privileges, and the admin may not pass that on.
	NotCreatable Absence = "not creatable"
)

// absences are the errors of a GRANT that tell of one. GRANT looks at what it is about
// on these levels alone: global privileges and those on databases, PROXY, and on MySQL
// dynamic privileges that some account has, can be granted whatever is gone.
//
// Source: MySQL 8.4 Error Message Reference, "Server Error Message Reference"; MariaDB,
// "MariaDB Error Codes"; each tried on MySQL 9.7 and MariaDB 10.5 and 11.8, with admins
// who may and may not CREATE.
var absences = map[uint16]Absence{
	1146: AbsentTable,   // ER_NO_SUCH_TABLE
	1049: AbsentTable,   // ER_BAD_DB_ERROR: MySQL, of privileges on columns
	1054: AbsentColumn,  // ER_BAD_FIELD_ERROR
	1356: AbsentColumns, // ER_VIEW_INVALID
	1449: AbsentColumns, // ER_NO_SUCH_USER: the view's definer, to an admin who may act for others
	1045: AbsentColumns, // ER_ACCESS_DENIED_ERROR: the same, to one who may not; a denial where no columns are named
	1205: LockedTable,   // ER_LOCK_WAIT_TIMEOUT: of the table, or of what every GRANT waits for
	1305: AbsentRoutine, // ER_SP_DOES_NOT_EXIST
}

// AbsenceOf says what the number of a server's error tells of; false where it is
// about something else.
func AbsenceOf(number uint16) (Absence, bool) {
	absence, ok := absences[number]
	return absence, ok
}

// Absences are the objects that are gone, though privileges on them live on: a
// dropped table keeps its privileges, and nobody can tell from SHOW GRANTS. The
// caller learns it from the error of a step, notes it here, and plans again. The
// zero value is ready to use.
type Absences struct {
	objects     map[Object]bool
	uncreatable map[Object]bool // of objects
	unopened    map[Object]bool // whose columns are absent
	locked      map[Object]bool // whose columns are
	lockedWhole map[Object]bool // so that no GRANT without CREATE gets at the table
	columns     map[Object]map[string]bool
	apart       map[Object]bool
}

// Note records that a step failed since something is absent. It reports whether
// that was news; where it was not, planning again would lead to the same error.
func (a *Absences) Note(step Step, absence Absence) bool {
	object := step.Object.key()
	note := func(in *map[Object]bool) bool {
		if (*in)[object] {
			return false
		}
		if *in == nil {
			*in = map[Object]bool{}
		}
		(*in)[object] = true
		return true
	}
	switch {
	case absence == AbsentTable && object.Level == LevelTable, absence == AbsentRoutine && object.Level == LevelRoutine:
		return note(&a.objects)
	case absence == NotCreatable && step.creates:
		return note(&a.uncreatable)
	case absence == AbsentColumns && len(step.Columns) > 0:
		return note(&a.unopened)
	case absence == LockedTable && len(step.Columns) > 0:
		return note(&a.locked)
	case absence == LockedTable && object.Level == LevelTable && step.Kind() == "GRANT":
		return note(&a.lockedWhole)
	case absence == AbsentColumn && len(step.Columns) > 1:
		// Which one it was, the next plan finds out.
		return note(&a.apart)
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
		note(&a.apart)
		return true
	}
	return false
}

// AlterNothing changes nothing of the step's account: it waits for what every change of an
// account or a privilege waits for, and for no table of anybody's (tried on MySQL 9.7 and
// MariaDB 10.5 and 11.8).
func (s Step) AlterNothing() statement.Statement {
	return statement.New("ALTER USER ").Account(s.Account.User, s.Account.Host).Statement()
}

func (a *Absences) object(object Object) bool {
	return a != nil && len(a.objects) > 0 && a.objects[object.key()]
}

func (a *Absences) notCreatable(object Object) bool {
	return a != nil && len(a.uncreatable) > 0 && a.uncreatable[object.key()]
}

// isLocked reports whether nothing can be granted on the columns of a table.
func (a *Absences) isLocked(object Object) bool {
	return a != nil && len(a.locked) > 0 && a.locked[object.key()] || a.isLockedWhole(object)
}

func (a *Absences) isLockedWhole(object Object) bool {
	return a != nil && len(a.lockedWhole) > 0 && a.lockedWhole[object.key()]
}

// column reports whether a column is gone, or the table or view that it is one of.
func (a *Absences) column(object Object, name string) bool {
	return a != nil && (a.objects[object.key()] || a.unopened[object.key()] || a.columns[object.key()][fold(name)])
}

func (a *Absences) isApart(object Object) bool {
	return a != nil && len(a.apart) > 0 && a.apart[object.key()]
}
