// Served from the package's own folder under this name.
export { default } from 'uplot';
