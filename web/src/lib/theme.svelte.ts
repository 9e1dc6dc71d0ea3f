/** Light or dark: the system's choice, unless somebody chose here. */

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'wayside.theme';
const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };

class ThemeChoice {
  choice = $state<Theme>(stored());
  #system = matchMedia('(prefers-color-scheme: dark)');
  #systemDark = $state(this.#system.matches);

  constructor() {
    this.#system.addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  /** Whether the page is dark now; charts read their colours again when it changes. */
  get dark(): boolean {
    return this.choice === 'auto' ? this.#systemDark : this.choice === 'dark';
  }

  next(): Theme {
    return NEXT[this.choice];
  }

  turn(): void {
    this.choice = NEXT[this.choice];
    if (this.choice === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.choice;
    try {
      localStorage.setItem(KEY, this.choice);
    } catch {
      // Storage may be closed to us: the choice then lasts as long as the page.
    }
  }
}

function stored(): Theme {
  const theme = document.documentElement.dataset['theme'];
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
}

export const theme = new ThemeChoice();

/** Whether there is room for a list and a detail side by side. */
class Room {
  #narrow = matchMedia('(max-width: 899px)');
  #tight = matchMedia('(max-width: 1219px)');
  narrow = $state(this.#narrow.matches);
  /** Room for both, but not for long rows. */
  tight = $state(this.#tight.matches);

  constructor() {
    this.#narrow.addEventListener('change', (event) => (this.narrow = event.matches));
    this.#tight.addEventListener('change', (event) => (this.tight = event.matches));
  }
}

export const room = new Room();
