'use strict';
// Colours that begin with two hyphens are variables of the style sheet, which knows the theme.
const figures = document.getElementById('figures').textContent;
const coloured = () => {
  const style = getComputedStyle(document.documentElement);
  return JSON.parse(figures, (_, value) =>
    typeof value === 'string' && value.startsWith('--') ? style.getPropertyValue(value).trim() : value);
};
const draw = () => {
  const drawn = coloured();
  for (const holder of document.querySelectorAll('[data-figure]')) {
    const { data, layout } = drawn[holder.dataset.figure];
    Plotly.react(holder, data, layout, { displayModeBar: false, responsive: true });
  }
};
if (window.Plotly) {
  draw();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
const filter = document.getElementById('filter');
if (filter) {
  const cases = [...document.querySelectorAll('.case')];
  const kind = document.getElementById('kind');
  const unfold = document.getElementById('unfold');
  const visible = () => cases.filter(one => !one.hidden);
  const show = () => {
    for (const one of cases) one.hidden = Boolean(kind.value) && one.dataset.kind !== kind.value;
    const count = visible().length;
    document.getElementById('shown').textContent = `${count} ${count === 1 ? 'case' : 'cases'}`;
  };
  filter.hidden = false;
  kind.addEventListener('change', show);
  unfold.addEventListener('click', () => {
    const open = unfold.textContent === 'Unfold all';
    for (const one of visible()) one.open = open;
    unfold.textContent = open ? 'Fold all' : 'Unfold all';
  });
  show(); // browsers keep what was chosen when a page is loaded again
}
