// @long @serial @timeout 300 s
// The Dockerfile, performed without Docker but with its real `npm ci` and `npm prune`.
import { imageSuite } from './image-suite.ts';

imageSuite('Image with freshly installed packages', false);
