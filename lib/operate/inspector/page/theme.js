// Light and dark: as the system has it, until somebody chooses.

import { byId } from './dom.js';

const KEY = 'nv-wal-theme';

/** Calls back whenever the colours change. */
export function followTheme(/** @type {() => void} */ onChange) {
  const select = byId('theme', HTMLSelectElement);
  select.value = kept();
  const apply = () => {
    document.documentElement.dataset['theme'] = select.value;
    onChange();
  };
  select.addEventListener('change', () => {
    keep(select.value);
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  apply();
}

function kept() {
  try {
    const theme = localStorage.getItem(KEY) ?? '';
    return ['light', 'dark'].includes(theme) ? theme : 'system';
  } catch {
    // A browser that keeps nothing.
    return 'system';
  }
}

/** @param {string} theme */
function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Then it holds until the page is closed.
  }
}
