// The form to log in or to register.

import { byId, setText } from './dom.js';

const WORDS = {
  login: { heading: 'Log in to GoChat', submit: 'Log in', question: 'New here?', toggle: 'Create an account' },
  register: { heading: 'Create an account', submit: 'Register', question: 'Have an account?', toggle: 'Log in' },
};

export class AuthView {
  #mode = 'login';
  #busy = false;
  #form = byId('auth-form');
  #name = byId('auth-name');
  #display = byId('auth-display-name');
  #password = byId('auth-password');
  #error = byId('auth-error');

  /** `on` has `login(name, password)` and `register(name, password, displayName)`, both async. */
  constructor(on) {
    byId('auth-toggle').addEventListener('click', () => {
      this.#setMode(this.#mode === 'login' ? 'register' : 'login');
      this.say('');
      this.#name.focus();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit(on);
    });
    this.#setMode('login');
  }

  show(why = '') {
    this.say(why);
    this.#name.focus();
  }

  say(text) {
    setText(this.#error, text);
    this.#error.hidden = !text;
  }

  async #submit(on) {
    if (this.#busy) return;
    const [name, password] = [this.#name.value.trim(), this.#password.value];
    this.#setBusy(true);
    this.say('');
    try {
      if (this.#mode === 'login') await on.login(name, password);
      else await on.register(name, password, this.#display.value.trim());
      this.#form.reset();
      this.#setMode('login');
    } catch (error) {
      this.say(error.message);
      (error.code === 'name_taken' || error.code === 'name_invalid' ? this.#name : this.#password).focus();
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.#busy = busy;
    byId('auth-submit').disabled = busy;
    this.#form.setAttribute('aria-busy', String(busy));
  }

  #setMode(mode) {
    this.#mode = mode;
    this.#form.dataset.mode = mode;
    const words = WORDS[mode];
    setText(document.getElementById('auth-heading'), words.heading);
    setText(byId('auth-submit'), words.submit);
    setText(document.getElementById('auth-question'), words.question);
    setText(byId('auth-toggle'), words.toggle);
    document.getElementById('auth-display-row').hidden = mode === 'login';
    this.#password.autocomplete = mode === 'login' ? 'current-password' : 'new-password';
  }
}
