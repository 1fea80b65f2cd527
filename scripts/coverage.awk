# Reads sources, then what was measured of them in lcov's format, and prints shares of lines by folder and in all. Fails where
# the whole is not above `minimum` per cent, or a source with a function in it was not measured. See scripts/coverage.

FILENAME ~ /\.lcov$/ { measured(); next }

# --- sources: where their tests are, whether there is code
FNR == 1 { sources[++count] = FILENAME; marked = inside = 0 }
marked && /^(pub(\([a-z]+\))? )?mod [a-z_0-9]+ \{/ { inside = 1 }
{ marked = /^#\[cfg\(test\)\]/ || (marked && /^#\[/) }
inside {
  is_test[FILENAME, FNR] = 1
  if (/^}/) inside = 0
  next
}
!/^ *\/\// {
  line = $0
  gsub(/\[[^][]*\]/, "", line) # the `;` of an array's type
  text[FILENAME] = text[FILENAME] " " line
}

# --- measured: `SF:file`, then `DA:line,times` for each line with code
function measured(  parts, line) {
  if (/^SF:/) {
    file = substr($0, 4)
    if (index(file, root) == 1) file = substr(file, length(root) + 1)
  } else if (/^DA:/) {
    split(substr($0, 4), parts, ",")
    line = parts[1]
    if ((file, line) in is_test) return
    lines[file]++
    if (parts[2] + 0 > 0) run[file]++
  }
}

function share(part, whole) { return whole ? 100 * part / whole : 100 }

END {
  for (i = 1; i <= count; i++) {
    file = sources[i]
    if (!(file in lines)) {
      if (text[file] ~ /fn [a-z_0-9]+[^;{]*\{/) missing = missing " " file
      else without = without " " file
      continue
    }
    folder = file
    sub(/\/[^\/]*$/, "", folder)
    if (!(folder in folder_lines)) folders[++folder_count] = folder
    folder_lines[folder] += lines[file]
    folder_run[folder] += run[file]
    all_lines += lines[file]
    all_run += run[file]
    measured_count++
    if (share(run[file], lines[file]) <= minimum) low = low sprintf("  %-44s %6d %6d %6.1f %%\n", file, lines[file], run[file], share(run[file], lines[file]))
  }
  printf "%-46s %6s %6s %8s\n", name, "lines", "run", "share"
  for (i = 1; i <= folder_count; i++) {
    folder = folders[i]
    printf "  %-44s %6d %6d %6.1f %%\n", folder, folder_lines[folder], folder_run[folder], share(folder_run[folder], folder_lines[folder])
  }
  printf "%-46s %6d %6d %6.1f %%  (%d files; must be above %d %%)\n", name " in all", all_lines, all_run, share(all_run, all_lines), measured_count, minimum
  if (low != "") printf "files that are not above it:\n%s", low
  if (without != "") print "without code:" without
  if (missing != "") print "NOT MEASURED, though there is code:" missing
  exit missing != "" || !all_lines || share(all_run, all_lines) <= minimum
}
